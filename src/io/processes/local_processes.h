#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "io/processes/process_group.h"

namespace emend {

// Copies of this program on this machine, started with the same arguments. They print nothing on
// stdout and share rank 0's stderr. The destructor waits for them, and ends those that have not
// stopped after ten seconds.
class LocalProcesses {
 public:
  // Starts ranks 1, ..., size - 1 of the group at `port`.
  LocalProcesses(int size, uint16_t port);
  LocalProcesses(const LocalProcesses&) = delete;
  LocalProcesses& operator=(const LocalProcesses&) = delete;
  ~LocalProcesses();

  bool running(int rank);

 private:
  std::vector<pid_t> pids_;  // of rank 1, ...; 0: it has ended
};

// The group that a program belongs to, with the processes that it has started itself, if any.
struct ProcessTeam {
  std::unique_ptr<ProcessGroup> group;
  std::shared_ptr<LocalProcesses> started;
};

// Joins the processes of a launcher, or starts `processes` - 1 copies of this program; no group if
// there is neither. Throws emend::Error if both are asked for.
ProcessTeam join_processes(int processes);

// The number of threads of the process: the cores that its launcher has reserved for it, or an
// equal part of those of this machine; at least 1.
int threads_of_process(const ProcessPlace& place);

}  // namespace emend
