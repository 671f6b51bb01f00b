#pragma once

#include <string>

namespace emend {

// Removes the temporary files and folders of `path` (PATH.PID-N.tmp, PATH.PID.tmp) that killed
// processes left in its folder: their process has ended and no process holds a lock on them. Each
// process lists a folder only once, so that writing many files into it stays fast.
void remove_leftovers(const std::string& path);

}  // namespace emend
