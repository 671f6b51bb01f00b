#include "io/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "io/cgroup_cpus.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(Cores, AreLimitedByAffinity) {
  EXPECT_GE(available_cores(), 1);
  cpu_set_t before;
  ASSERT_EQ(0, ::sched_getaffinity(0, sizeof before, &before));
  EXPECT_LE(available_cores(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  ASSERT_EQ(0, ::sched_setaffinity(0, sizeof one, &one));
  EXPECT_EQ(1, available_cores());
  ::sched_setaffinity(0, sizeof before, &before);
}

TEST(Cores, AreLimitedByTheCgroupQuota) {
  TemporaryFolder folder;
  fs::path root = folder.path();
  EXPECT_EQ(0, cgroup_cpus(root, "0::/\n"));
  EXPECT_EQ(0, cgroup_cpus(root, ""));
  EXPECT_EQ(0, cgroup_cpus(root, "nonsense\n0:\n"));
  put(root / "cpu.max", "max 100000\n");
  EXPECT_EQ(0, cgroup_cpus(root, "0::/\n"));
  put(root / "cpu.max", "250000 100000\n");
  EXPECT_EQ(2.5, cgroup_cpus(root, "0::/\n"));
  EXPECT_EQ(2.5, cgroup_cpus(root, "0::/not/visible/here\n"));
  put(root / "a/cpu.max", "150000 100000\n");
  put(root / "a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(1.5, cgroup_cpus(root, "0::/a/b\n"));
  EXPECT_EQ(2.5, cgroup_cpus(root, "0::/../..\n"));
  put(root / "cpu/x/cpu.cfs_quota_us", "300000\n");
  put(root / "cpu/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(3, cgroup_cpus(root, "5:memory:/x\n4:cpu,cpuacct:/x\n"));
  put(root / "cpu/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(0, cgroup_cpus(root, "4:cpu,cpuacct:/x\n"));
}

TEST(Threads, AreSetForLibTorch) {
  int before = at::get_num_threads();
  EXPECT_EQ(2, set_threads(2));
  EXPECT_EQ(2, at::get_num_threads());
  EXPECT_EQ(available_cores(), set_threads());
  EXPECT_EQ(available_cores(), at::get_num_threads());
  set_threads(before);
}

TEST(Blas, DetectsTheReferenceLibrary) {
  EXPECT_TRUE(is_reference_blas("/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0"));
  EXPECT_TRUE(is_reference_blas("/usr/lib/libblas.so.3"));
  EXPECT_FALSE(is_reference_blas("/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3"));
  EXPECT_FALSE(
      is_reference_blas("/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.so"));
  EXPECT_FALSE(is_reference_blas("/usr/lib/x86_64-linux-gnu/blis-openmp/libblas.so.3"));
  EXPECT_FALSE(is_reference_blas("/opt/intel/mkl/lib/libmkl_rt.so"));
  EXPECT_FALSE(is_reference_blas("built into LibTorch"));
  auto blas = find_blas();
  EXPECT_FALSE(blas.library.empty());
  RecordProperty("blas", blas.library);
}

TEST(Blas, ReplacesOnlyKernelsOfOldProcessors) {
  for (const char* fitting : {"", "SkylakeX", "Zen"})
    for (auto level : {SimdLevel::avx512, SimdLevel::avx2, SimdLevel::below_avx2})
      EXPECT_EQ("", better_blas_kernels(fitting, level));
  EXPECT_EQ("SkylakeX", better_blas_kernels("Prescott", SimdLevel::avx512));
  EXPECT_EQ("Haswell", better_blas_kernels("Prescott", SimdLevel::avx2));
  EXPECT_EQ("", better_blas_kernels("Prescott", SimdLevel::below_avx2));
}

TEST(WaitPolicy, IsPassiveUnlessTheUserChose) {
  EXPECT_EQ(better_wait_policy(nullptr, nullptr, nullptr, 2), "passive");
  EXPECT_EQ(better_wait_policy(nullptr, nullptr, "4", 2), "passive");
  EXPECT_EQ(better_wait_policy("active", nullptr, nullptr, 2), "");
  EXPECT_EQ(better_wait_policy(nullptr, "1000", nullptr, 2), "");
  EXPECT_EQ(better_wait_policy(nullptr, nullptr, "1", 2), "");
  EXPECT_EQ(better_wait_policy(nullptr, nullptr, nullptr, 1), "");
}

TEST(Memory, GrowsWithAllocations) {
  auto before = anonymous_bytes(), resident = resident_bytes();
  std::vector<char> held(64 << 20, 1);
  EXPECT_GE(anonymous_bytes(), before + (60 << 20));
  EXPECT_GE(resident_bytes(), resident + (60 << 20));
  EXPECT_GE(peak_resident_bytes() + (1 << 20), resident_bytes());
  EXPECT_EQ(1, held[held.size() / 2]);
}

TEST(Interrupt, FirstSignalOnlySetsTheFlag) {
  EXPECT_FALSE(InterruptGuard::interrupted());
  {
    InterruptGuard guard;
    EXPECT_FALSE(InterruptGuard::interrupted());
    ::raise(SIGINT);
    EXPECT_TRUE(InterruptGuard::interrupted());
  }
  EXPECT_FALSE(InterruptGuard::interrupted());
  InterruptGuard again;
  ::raise(SIGTERM);
  EXPECT_TRUE(InterruptGuard::interrupted());
}

TEST(InterruptDeathTest, SecondSignalEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        InterruptGuard guard;
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace emend
