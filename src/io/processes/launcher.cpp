#include "io/processes/launcher.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "io/error.h"

namespace emend {
namespace {

struct Variables {
  const char *launcher, *rank, *size, *local_size;
};
constexpr Variables kLaunchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"},
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", ""},
};

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

}  // namespace

std::optional<ProcessPlace> launched_place(const Environment& environment) {
  constexpr int kMostProcesses = 65536;
  for (const auto& names : kLaunchers) {
    const char* rank = environment(names.rank);
    const char* size = environment(names.size);
    if (!rank || !size) continue;
    // A shell in an allocation has the variables of its job, too.
    if (std::strcmp(names.launcher, "Slurm") == 0 && !environment("SLURM_STEP_ID")) continue;
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
    if (const char* address = environment("MASTER_ADDR"); address && *address)
      place.address = address;
    else if (place.local_size == place.size)
      place.address = "127.0.0.1";
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
