#pragma once

#include <string>

namespace emend {

// Removes the temporary files and folders of `path` (PATH.PID-N.tmp, PATH.PID.tmp) that killed
// processes left beside it: their process no longer lives and no process holds a lock on them. The
// folder of `path` is listed once a process, so that many files can be written into it.
void remove_leftovers(const std::string& path);

}  // namespace emend
