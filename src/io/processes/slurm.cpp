#include "io/processes/slurm.h"

#include <algorithm>
#include <regex>

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
  static const std::regex entry(R"((\d{1,6})(?:\(x(\d{1,6})\))?(?:,|$))");
  auto at = tasks_per_node.cbegin();
  std::smatch found;
  for (; std::regex_search(at, tasks_per_node.cend(), found, entry,
                           std::regex_constants::match_continuous);
       at = found[0].second) {
    node -= found[2].matched ? std::stoi(found[2]) : 1;
    if (node < 0) return std::max(1, std::stoi(found[1]));
  }
  return 1;
}

}  // namespace emend
