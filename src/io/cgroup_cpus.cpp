#include "io/cgroup_cpus.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "io/runtime.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

double first_number(const fs::path& path) {
  std::ifstream file(path);
  double value = 0;
  return file >> value ? value : 0;
}

// The content of cpu.max: "max 100000" or "150000 100000", the quota and the period in
// microseconds.
double quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;
  return file >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
}

double quota_v1(const fs::path& group) {
  double quota = first_number(group / "cpu.cfs_quota_us");  // -1: no limit
  double period = first_number(group / "cpu.cfs_period_us");
  return quota > 0 && period > 0 ? quota / period : 0;
}

int physical_cores_in_affinity() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return std::max(1u, std::thread::hardware_concurrency());
  // Threads of one core name the same siblings.
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    auto siblings =
        text_of(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    cores.insert(siblings.empty() ? fmt::format("cpu {}", cpu) : siblings);
  }
  return std::max<int>(1, static_cast<int>(cores.size()));
}

}  // namespace

double cgroup_cpus(const std::string& root, const std::string& membership) {
  double cpus = 0;
  auto take = [&](double quota) {
    if (quota > 0) cpus = cpus > 0 ? std::min(cpus, quota) : quota;
  };
  std::istringstream lines(membership);
  // Version 2 writes "0::/path", version 1 writes "4:cpu,cpuacct:/path".
  for (std::string line; std::getline(lines, line);) {
    auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    auto controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    bool version_2 = controllers == ",,";
    if (!version_2 && controllers.find(",cpu,") == std::string::npos) continue;
    auto top = version_2 ? fs::path(root) : fs::path(root) / "cpu";
    auto group = (top / fs::path(line.substr(second + 1)).relative_path()).lexically_normal();
    // Inside a container the named group may not be visible. Then the root is the container's own
    // group.
    for (;; group = group.parent_path()) {
      take(version_2 ? quota_v2(group) : quota_v1(group));
      if (group == top || group.native().size() <= top.native().size()) break;
    }
    take(version_2 ? quota_v2(top) : quota_v1(top));
  }
  return cpus;
}

int available_cores() {
  int cores = physical_cores_in_affinity();
  double quota = cgroup_cpus("/sys/fs/cgroup", text_of("/proc/self/cgroup"));
  if (quota > 0) cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(quota))));
  return cores;
}

}  // namespace emend
