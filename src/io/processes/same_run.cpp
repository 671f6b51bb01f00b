#include "io/processes/same_run.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/json/json_difference.h"

namespace emend {
namespace {

constexpr const char *kSameRun = "same/run", *kSameCommand = "same/command";
constexpr const char* kStartAllAlike =
    "start all processes with the same program, model, arguments and threads";

std::string run_key(int rank) { return fmt::format("{}/{}", kSameRun, rank); }

}  // namespace

void check_same_run(ProcessGroup& group, const nlohmann::json& run) {
  if (group.rank() != 0) {
    group.set(run_key(group.rank()), run.dump());
    group.wait(kSameRun, 0);
    return;
  }
  for (int rank = 1; rank < group.size(); ++rank) {
    const auto other = nlohmann::json::parse(group.wait(run_key(rank), rank));
    if (const auto difference = first_json_difference(other, run))
      throw Error("io::same_run",
                  fmt::format("{} is {} in rank {}, but {} in rank 0", difference->field,
                              difference->ours, rank, difference->theirs),
                  kStartAllAlike);
  }
  group.set(kSameRun, "1");
}

void check_same_command(ProcessGroup& group, const std::string& command) {
  if (group.rank() == 0) group.set(kSameCommand, command);
  const auto first = group.wait(kSameCommand, 0);
  if (first == command) return;
  const auto reason = fmt::format("this is emend {}, but rank 0 is emend {}", command, first);
  group.fail(reason);
  throw Error("io::same_run", fmt::format("rank {}: {}", group.rank(), reason), kStartAllAlike);
}

}  // namespace emend
