#include "cli/processes.h"

#include <chrono>
#include <string>
#include <thread>

#include "io/error.h"
#include "io/processes/same_run.h"

namespace emend::cli {

void add_processes(CLI::App& command, Common& common) {
  command
      .add_option("--processes", common.processes,
                  "number of processes on this machine that share the work; for several machines, "
                  "start the command with torchrun, mpirun or srun")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
}

bool has_team(const Common& common) { return common.processes > 1 || launched_place(); }

bool writes_files() {
  const auto place = launched_place();
  return !place || place->rank == 0;
}

ProcessTeam join_processes(Common& common, const std::string& command) {
  auto team = emend::join_processes(common.processes);
  if (team.group) check_same_command(*team.group, command);
  if (team.group && common.threads == 0) {
    const int small = threads_for(model_folder(common));
    common.threads = small > 0 ? small : threads_of_process(team.group->place());
  }
  return team;
}

namespace {

// Whether rank 0 fails for the same reason, which it prints.
bool rank_0_reports(ProcessGroup& group, const std::string& reason) {
  if (group.rank() == 0) return false;
  for (int look = 0; look < 20; ++look) {
    if (const auto its = group.failure(0)) return reason.find(*its) != reason.npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

}  // namespace

void report_failure(const ProcessTeam& team, const std::function<void()>& act) {
  try {
    act();
  } catch (const std::exception& error) {
    bool reported = false;
    if (team.group) try {
        team.group->fail(error.what());
        reported = rank_0_reports(*team.group, error.what());
      } catch (const Error&) {  // rank 0 no longer answers
      }
    if (reported) throw CLI::RuntimeError(1);
    throw;
  }
}

}  // namespace emend::cli
