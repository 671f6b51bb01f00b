#include "io/processes/slurm.h"

#include <algorithm>
#include <cstdio>

#include "io/strings/comma_list.h"

namespace emend {

std::string slurm_first_host(const std::string& nodes) {
  std::string host;
  for (size_t at = 0; at < nodes.size() && nodes[at] != ',';) {
    if (nodes[at] != '[') {
      host += nodes[at++];
      continue;
    }
    const auto end = nodes.find_first_of(",-]", at);
    host += nodes.substr(at + 1, end - at - 1);
    at = nodes.find(']', at);
    if (at != nodes.npos) ++at;
  }
  return host;
}

int slurm_tasks_of_node(const std::string& tasks_per_node, int node) {
  for (const auto& item : comma_list(tasks_per_node)) {
    int tasks = 0, nodes = 1, length = 0;
    const int numbers =
        std::sscanf(item.c_str(), "%6d%n(x%6d)%n", &tasks, &length, &nodes, &length);
    if (numbers < 1 || !item.substr(length).empty()) return 1;
    node -= nodes;
    if (node < 0) return std::max(1, tasks);
  }
  return 1;
}

}  // namespace emend
