#pragma once

#include <string>

namespace emend {

// A folder that appears complete or not at all: it is filled under a temporary name next to `path`,
// and `commit` renames it. The destructor removes a folder that was not committed.
class AtomicDirectory {
 public:
  // Throws emend::Error if `path` exists (an empty folder is allowed), or if the folder cannot be
  // created.
  explicit AtomicDirectory(std::string path);
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  ~AtomicDirectory();

  std::string file(const std::string& name) const { return temporary_ + "/" + name; }
  // The temporary path at which the folder is filled.
  const std::string& path() const { return temporary_; }
  void commit();

 private:
  std::string path_, temporary_;
  int lock_ = -1;  // file lock of the temporary folder, see remove_leftovers
};

}  // namespace emend
