#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace emend {

// The place of this process among the processes of a run, as a launcher sets it.
struct ProcessPlace {
  std::string launcher;  // "torchrun", "Open MPI", "PMI", "Slurm", or "--processes"
  int rank = 0, size = 1;
  int local_size = 1;  // number of processes on this machine, if the launcher reports it, or 1
  std::string address;  // of rank 0
  uint16_t port = 29500;
  int cores = 0;  // reserved for this process by the launcher; 0 if not known
};

// Reads an environment variable; null if it is not set.
using Environment = std::function<const char*(const char*)>;

// Finds the place in the variables that launchers set:
//   torchrun              RANK, WORLD_SIZE, LOCAL_WORLD_SIZE
//   Open MPI              OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE, OMPI_COMM_WORLD_LOCAL_SIZE
//   MPICH and Intel MPI   PMI_RANK, PMI_SIZE, MPI_LOCALNRANKS
//   Slurm's srun          SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_STEP_TASKS_PER_NODE
// and MASTER_ADDR and MASTER_PORT; the port after it if torchrun listens there itself
// (TORCHELASTIC_USE_AGENT_STORE). Without MASTER_ADDR, the address is the first host of
// SLURM_STEP_NODELIST, or all processes must be on this machine.
// None: no launcher, or one process. Throws emend::Error if the values contradict each other.
std::optional<ProcessPlace> launched_place(const Environment& environment);
std::optional<ProcessPlace> launched_place();  // of this process's environment

}  // namespace emend
