#pragma once

#include <string>

namespace emend {

// CPUs that a cgroup may use on average, from `root` (/sys/fs/cgroup) and the text of
// /proc/self/cgroup, version 1 or 2; the strictest of the group and its ancestors. 0: no limit.
double cgroup_cpus(const std::string& root, const std::string& membership);

}  // namespace emend
