#pragma once

#include <signal.h>

#include <cstdint>
#include <string>

namespace emend {

// Physical cores that this process may use: within its CPU affinity and its cgroup's quota.
int available_cores();

// Threads for LibTorch and its BLAS; below 1: available_cores(). Returns the number set.
// Debian's LibTorch starts with one, and OpenBLAS keeps a count of its own.
int set_threads(int threads = 0);

// The matrix multiplication that LibTorch uses.
struct Blas {
  std::string library;  // its file, or "built into LibTorch"
  std::string kernels;  // the processor that they are written for; empty where it does not say
  bool slow = false;    // the reference implementation, 10 to 30 times slower than a tuned one
};
Blas find_blas();
// What `library`, a resolved path, is.
bool is_reference_blas(const std::string& library);
// Starts this program again with environment variables that libraries read only while they are
// loaded, where one is to be set; to be called first of all in `main`. What a user has set stays.
// - OPENBLAS_CORETYPE: OpenBLAS falls back to kernels of 2004 on processors younger than itself;
//   those that the processor can run are two to eight times faster.
// - OMP_WAIT_POLICY=passive: OpenMP's threads wait by spinning unless told otherwise, which on a
//   busy machine takes ten times the processor time.
void restart_with_runtime_settings(char** argv);
// What OMP_WAIT_POLICY has to be; empty: what is there, or the default, is right. `policy`,
// `spin_count` and `threads` are the values of OMP_WAIT_POLICY, GOMP_SPINCOUNT and OMP_NUM_THREADS,
// null where they are not set.
std::string better_wait_policy(const char* policy, const char* spin_count, const char* threads,
                               int cores);
// What OPENBLAS_CORETYPE has to be for kernels chosen this way; empty: they fit, or nothing better
// is known.
std::string better_blas_kernels(const std::string& kernels);
// One warning with what to install, when the BLAS is slow.
void warn_if_blas_is_slow();

// Bytes of this process in memory: now (pages of mapped files included), now without pages of
// files, and at most so far.
uint64_t resident_bytes();
uint64_t anonymous_bytes();
uint64_t peak_resident_bytes();

// While one exists, the first SIGINT or SIGTERM only sets a flag, so that a long job can stop at a
// good place; the second one ends the process as usual. The handlers before are put back at the
// end.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();
  static bool interrupted();
  // The signal that interrupted the last one, SIGINT or SIGTERM; 0: none did. A program that was
  // interrupted ends with 128 + this.
  static int signal();

 private:
  struct sigaction previous_int_, previous_term_;
};

}  // namespace emend
