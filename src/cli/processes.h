#pragma once

#include <functional>
#include <string>

#include "cli/command.h"
#include "io/processes/local_processes.h"

namespace emend::cli {

// The option --processes.
void add_processes(CLI::App& command, Common& common);
// Whether several processes run the command.
bool has_team(const Common& common);
// Whether this process writes the files of the command: rank 0, or the only one.
bool writes_files();
// Joins the processes of a launcher, or starts those of --processes, and divides the cores of the
// machine among them unless --threads is given. Throws emend::Error if rank 0 runs another command.
ProcessTeam join_processes(Common& common, const std::string& command);
// Calls `act`. If it throws, reports the reason to the other processes of the team. An error
// that also occurs in rank 0 is printed by rank 0 only.
void report_failure(const ProcessTeam& team, const std::function<void()>& act);

}  // namespace emend::cli
