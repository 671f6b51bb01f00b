#include "io/processes/launcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "io/error.h"
#include "io/processes/slurm.h"
#include "io/runtime.h"

namespace emend {
namespace {

struct Variables {
  const char *launcher, *rank, *size, *local_size;
};
constexpr Variables kLaunchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"},
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ""},
};

constexpr int kMostProcesses = 65536, kMostCores = 65536;

[[noreturn]] void fail(const std::string& what, const std::string& hint) {
  throw Error("io::launcher", what, hint);
}

int whole_number(const char* name, const char* text, int least, int most) {
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc() || at != end || value < least || value > most)
    fail(fmt::format("the environment variable {} is '{}', which is not between {} and {}", name,
                     text, least, most),
         "start emend with torchrun, mpirun or srun, or unset the variable");
  return value;
}

// With --mpi=pmi2, srun sets the variables of PMI, too.
bool is_pmi_of_srun(const Variables& names, const Environment& environment) {
  const char* size = environment("SLURM_STEP_NUM_TASKS");
  return std::strcmp(names.launcher, "PMI") == 0 && !environment(names.local_size) && size &&
         std::strcmp(size, environment(names.size)) == 0;
}

// The number of cores that the launcher reserved for this process; 0 if it is not known.
int own_cores(const ProcessPlace& place, const Environment& environment) {
  const auto number = [&](const char* name) {
    const char* text = environment(name);
    return text ? whole_number(name, text, 1, kMostCores) : 0;
  };
  if (place.launcher == "Slurm") {
    if (const int cores = number("SLURM_CPUS_PER_TASK")) return cores;
    const int cores = number("SLURM_CPUS_ON_NODE");
    return cores > 0 ? std::max(1, cores / place.local_size) : 0;
  }
  // mpirun has bound this process to some cores, unless its option is --bind-to none.
  const char* bound = environment("OMPI_MCA_orte_bound_at_launch");
  return place.launcher == "Open MPI" && bound && *bound == '1' ? available_cores() : 0;
}

}  // namespace

std::optional<ProcessPlace> launched_place(const Environment& environment) {
  for (const auto& names : kLaunchers) {
    const char* rank = environment(names.rank);
    const char* size = environment(names.size);
    if (!rank || !size || is_pmi_of_srun(names, environment)) continue;
    ProcessPlace place;
    place.launcher = names.launcher;
    place.size = whole_number(names.size, size, 1, kMostProcesses);
    if (place.size == 1) return std::nullopt;
    place.rank = whole_number(names.rank, rank, 0, kMostProcesses);
    if (place.rank >= place.size)
      fail(fmt::format("{} is {}, but {} is {}", names.rank, place.rank, names.size, place.size),
           "ranks start at 0; start emend with torchrun, mpirun or srun");
    const char* local = *names.local_size ? environment(names.local_size) : nullptr;
    if (local) place.local_size = whole_number(names.local_size, local, 1, place.size);
    std::string first_host;
    if (place.launcher == "Slurm") {
      const auto text = [&](const char* name) {
        const char* value = environment(name);
        return std::string(value ? value : "");
      };
      const char* node = environment("SLURM_NODEID");
      place.local_size = slurm_tasks_of_node(
          text("SLURM_STEP_TASKS_PER_NODE"),
          node ? whole_number("SLURM_NODEID", node, 0, kMostProcesses) : 0);
      first_host = slurm_first_host(text("SLURM_STEP_NODELIST"));
    }
    place.cores = own_cores(place, environment);
    if (const char* address = environment("MASTER_ADDR"); address && *address)
      place.address = address;
    else if (place.local_size == place.size)
      place.address = "127.0.0.1";
    else if (!first_host.empty())
      place.address = first_host;
    else
      fail(fmt::format("{} started {} processes, but MASTER_ADDR is not set", names.launcher,
                       place.size),
           "set MASTER_ADDR to the host name of rank 0 (127.0.0.1 if all are on one machine)");
    if (const char* port = environment("MASTER_PORT"))
      place.port = static_cast<uint16_t>(whole_number("MASTER_PORT", port, 1, 65534));
    // The agent of torchrun listens on this port. Its store is that of its own LibTorch version.
    if (const char* own = environment("TORCHELASTIC_USE_AGENT_STORE");
        own && std::strcmp(own, "True") == 0)
      ++place.port;
    return place;
  }
  return std::nullopt;
}

std::optional<ProcessPlace> launched_place() {
  return launched_place([](const char* name) { return std::getenv(name); });
}

}  // namespace emend
