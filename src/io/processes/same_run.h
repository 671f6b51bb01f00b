#pragma once

#include <nlohmann/json.hpp>

#include "io/processes/process_group.h"

namespace emend {

// Waits until all processes of the group have called this, and compares their descriptions of the
// run. Throws emend::Error in every process, with rank, field and values, if one differs from that
// of rank 0, or if a process ends before. Call it once for each group.
void check_same_run(ProcessGroup& group, const nlohmann::json& run);

// Compares the name of the command with that of rank 0, and does not wait for other ranks. Throws
// emend::Error in the process that runs another command.
void check_same_command(ProcessGroup& group, const std::string& command);

}  // namespace emend
