#include "io/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <fstream>

#include "io/log.h"

namespace emend {
namespace {

volatile sig_atomic_t interrupt_flag = 0, interrupt_signal = 0;

void note_interrupt(int signal) {
  if (interrupt_flag) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  interrupt_flag = 1;
  interrupt_signal = signal;
}

std::string resolved(const char* path) {
  char buffer[PATH_MAX];
  return ::realpath(path, buffer) ? buffer : path;
}

struct Pages {
  uint64_t total = 0, resident = 0, shared = 0;
};
Pages pages() {
  Pages pages;
  std::ifstream("/proc/self/statm") >> pages.total >> pages.resident >> pages.shared;
  return pages;
}

uint64_t page_bytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

int set_threads(int threads) {
  if (threads < 1) threads = available_cores();
  at::set_num_threads(threads);
  // This function is not part of the BLAS interface; only OpenBLAS has it.
  if (void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))
    reinterpret_cast<void (*)(int)>(symbol)(threads);
  return threads;
}

bool is_reference_blas(const std::string& library) {
  // Debian's alternatives all have the name libblas.so.3; the folder distinguishes them.
  for (const char* tuned : {"openblas", "mkl", "blis", "atlas", "armpl", "nvpl", "accelerate"})
    if (library.find(tuned) != std::string::npos) return false;
  return library.find("libblas") != std::string::npos;
}

Blas find_blas() {
  Blas blas;
  blas.library = "built into LibTorch";
  void* gemm = ::dlsym(RTLD_DEFAULT, "sgemm_");
  Dl_info info{};
  if (!gemm || !::dladdr(gemm, &info) || !info.dli_fname) return blas;
  blas.library = resolved(info.dli_fname);
  blas.slow = is_reference_blas(blas.library);
  if (void* name = ::dlsym(RTLD_DEFAULT, "openblas_get_corename"))
    blas.kernels = reinterpret_cast<const char* (*)()>(name)();
  return blas;
}

std::string better_blas_kernels(const std::string& kernels, SimdLevel level) {
  if (kernels != "Prescott") return {};
  return level == SimdLevel::avx512 ? "SkylakeX" : level == SimdLevel::avx2 ? "Haswell" : "";
}

std::string better_wait_policy(const char* policy, const char* spin_count, const char* threads,
                               int cores) {
  const bool one_thread = cores < 2 || (threads && std::string(threads) == "1");
  return policy || spin_count || one_thread ? "" : "passive";
}

void restart_with_runtime_settings(char** argv) {
  const auto set = [](const char* name, const std::string& value) {
    return !value.empty() && !::getenv(name) && ::setenv(name, value.c_str(), 0) == 0;
  };
  const bool blas = set("OPENBLAS_CORETYPE", better_blas_kernels(find_blas().kernels));
  const bool wait = set("OMP_WAIT_POLICY",
                        better_wait_policy(::getenv("OMP_WAIT_POLICY"), ::getenv("GOMP_SPINCOUNT"),
                                           ::getenv("OMP_NUM_THREADS"), available_cores()));
  // Both variables are set now, so that the program restarts only once. If the restart fails, the
  // program continues, but slowly.
  if (blas || wait) ::execv("/proc/self/exe", argv);
}

void warn_if_blas_is_slow() {
  auto blas = find_blas();
  if (blas.slow)
    logger().warn(
        "the reference BLAS ({}) is in use, which is 10 to 30 times slower than OpenBLAS. Install "
        "OpenBLAS: apt install libopenblas0-pthread",
        blas.library);
}

uint64_t resident_bytes() { return pages().resident * page_bytes(); }

uint64_t anonymous_bytes() {
  auto now = pages();
  return (now.resident - std::min(now.shared, now.resident)) * page_bytes();
}

uint64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

InterruptGuard::InterruptGuard() {
  interrupt_flag = 0;
  interrupt_signal = 0;
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, &previous_int_);
  ::sigaction(SIGTERM, &action, &previous_term_);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &previous_int_, nullptr);
  ::sigaction(SIGTERM, &previous_term_, nullptr);
  interrupt_flag = 0;
}

bool InterruptGuard::interrupted() { return interrupt_flag != 0; }

int InterruptGuard::signal() { return interrupt_signal; }

}  // namespace emend
