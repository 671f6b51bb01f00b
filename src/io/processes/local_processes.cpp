#include "io/processes/local_processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "io/error.h"
#include "io/runtime.h"

namespace emend {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr const char* kStartedHere = "EMEND_PROCESSES";  // set in the processes that emend starts

// The arguments of this process, each ended by a zero byte.
std::vector<std::string> own_arguments() {
  std::vector<std::string> arguments;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (size_t begin = 0; begin < text.size();) {
    arguments.emplace_back(text.c_str() + begin);
    begin += arguments.back().size() + 1;
  }
  return arguments;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> environment_of(int rank, int size, uint16_t port) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) all.emplace_back(*entry);
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"RANK", std::to_string(rank)},
           {"WORLD_SIZE", std::to_string(size)},
           {"LOCAL_WORLD_SIZE", std::to_string(size)},
           {"MASTER_ADDR", "127.0.0.1"},
           {"MASTER_PORT", std::to_string(port)},
           {kStartedHere, std::to_string(size)}}) {
    std::erase_if(all, [&](const std::string& text) { return text.starts_with(name + "="); });
    all.push_back(name + "=" + value);
  }
  return all;
}

}  // namespace

LocalProcesses::LocalProcesses(int size, uint16_t port) {
  auto arguments = own_arguments();
  auto argv = pointers(arguments);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  const auto parent = ::getpid();
  for (int rank = 1; rank < size; ++rank) {
    auto variables = environment_of(rank, size, port);
    auto envp = pointers(variables);
    const auto pid = ::fork();
    if (pid == 0) {  // only calls that are safe in a copy of a program with threads
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(1);
      ::dup2(nowhere, STDOUT_FILENO);
      ::execve("/proc/self/exe", argv.data(), envp.data());
      ::_exit(127);
    }
    if (pid < 0) {
      ::close(nowhere);
      throw Error("io::local_processes",
                  fmt::format("process {} of {} cannot be started: {}", rank + 1, size,
                              std::strerror(errno)),
                  "use a smaller number for --processes");
    }
    pids_.push_back(pid);
  }
  ::close(nowhere);
}

LocalProcesses::~LocalProcesses() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (int rank = 1; rank <= static_cast<int>(pids_.size()); ++rank)
    while (running(rank)) {
      if (std::chrono::steady_clock::now() > end) ::kill(pids_[rank - 1], SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

bool LocalProcesses::running(int rank) {
  auto& pid = pids_[static_cast<size_t>(rank) - 1];
  int status = 0;
  if (pid > 0 && ::waitpid(pid, &status, WNOHANG) != 0) pid = 0;
  return pid > 0;
}

ProcessTeam join_processes(int processes) {
  ProcessTeam team;
  const auto place = launched_place();
  const char* started = std::getenv(kStartedHere);
  if (place && processes > 1 && !started)
    throw Error("io::local_processes",
                fmt::format("{} started {} processes, and --processes asks for {} more",
                            place->launcher, place->size, processes),
                "remove --processes, or start emend without a launcher");
  if (place) {
    team.group = std::make_unique<ProcessGroup>(*place);
  } else if (processes > 1) {
    team.group = std::make_unique<ProcessGroup>(
        ProcessPlace{"--processes", 0, processes, processes, "127.0.0.1", 0});
    team.started = std::make_shared<LocalProcesses>(processes, team.group->place().port);
    team.group->watch([started = team.started](int rank) { return started->running(rank); });
  }
  return team;
}

int threads_of_process(const ProcessPlace& place) {
  const int cores = available_cores();
  return place.cores > 0 ? std::min(place.cores, cores) : std::max(1, cores / place.local_size);
}

}  // namespace emend
