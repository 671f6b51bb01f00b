#pragma once

#include <string>

namespace emend {

// The first host of a list of Slurm: "gpu07" of "gpu[07-09,12],login". Empty if the list is empty.
std::string slurm_first_host(const std::string& nodes);

// The number of tasks on the node with this number in a list such as "2(x3),1", where the first
// three nodes have two tasks each; 1 if the list is shorter or has another form.
int slurm_tasks_of_node(const std::string& tasks_per_node, int node);

}  // namespace emend
