#pragma once

#include <string>

namespace emend {

// The average number of CPUs that a cgroup may use: the smallest quota of the group and its
// ancestors; 0: no limit. `root` is /sys/fs/cgroup, `membership` the text of /proc/self/cgroup.
// Both cgroup versions are supported.
double cgroup_cpus(const std::string& root, const std::string& membership);

}  // namespace emend
