#pragma once

#include <signal.h>

#include <cstdint>
#include <string>

#include "io/cpu.h"

namespace emend {

// The number of physical cores that this process may use, limited by its CPU affinity and its
// cgroup's quota.
int available_cores();

// Sets the number of threads of LibTorch and its BLAS; below 1: available_cores(). Returns the
// number that was set. Debian's LibTorch starts with one thread, and OpenBLAS counts its threads
// separately.
int set_threads(int threads = 0);

// The BLAS library that LibTorch uses.
struct Blas {
  std::string library;  // path of the library, or "built into LibTorch"
  std::string kernels;  // processor type of the kernels; empty if the library does not report it
  bool slow = false;    // reference implementation, 10 to 30 times slower than an optimized one
};
Blas find_blas();
// Whether `library`, a resolved path, is the reference BLAS.
bool is_reference_blas(const std::string& library);
// Restarts the program with environment variables that libraries read only while they are loaded,
// if one has to be set. `main` calls it before anything else. Variables that the user has set are
// not changed.
// - OPENBLAS_CORETYPE: on processors that it does not know, OpenBLAS uses kernels for processors
//   of 2004; suitable kernels are two to eight times faster.
// - OMP_WAIT_POLICY=passive: by default, OpenMP threads wait in a busy loop, which takes ten times
//   the CPU time on a busy machine.
void restart_with_runtime_settings(char** argv);
// Returns the value to set for OMP_WAIT_POLICY; empty: the current value or the default is right.
// `policy`, `spin_count` and `threads` are the values of OMP_WAIT_POLICY, GOMP_SPINCOUNT and
// OMP_NUM_THREADS, null if not set.
std::string better_wait_policy(const char* policy, const char* spin_count, const char* threads,
                               int cores);
// Returns the value to set for OPENBLAS_CORETYPE if OpenBLAS uses `kernels` on a processor of
// this level; empty: the kernels fit the processor, or no better ones are known.
std::string better_blas_kernels(const std::string& kernels, SimdLevel level = simd_level());
// Logs a warning that says which package to install, if the BLAS is slow.
void warn_if_blas_is_slow();

// Memory use of this process in bytes: resident now (including pages of mapped files), resident
// without pages of files, and the peak so far.
uint64_t resident_bytes();
uint64_t anonymous_bytes();
uint64_t peak_resident_bytes();

// While an object exists, the first SIGINT or SIGTERM only sets a flag, so that a long job can stop
// at a safe point. The second signal ends the process as usual. The destructor restores the
// previous handlers.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();
  static bool interrupted();
  // The signal, SIGINT or SIGTERM, that set the flag of the last guard; 0: none. An interrupted
  // program exits with 128 + this value.
  static int signal();

 private:
  struct sigaction previous_int_, previous_term_;
};

}  // namespace emend
