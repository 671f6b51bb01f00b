#pragma once

#include <string>

namespace emend {

// A folder that exists whole or not at all: it is filled under a temporary name beside `path`, and
// `commit` renames it. Destroyed without `commit`, what was made so far is removed.
class NewFolder {
 public:
  // Throws emend::Error when there is something at `path` already (an empty folder is nothing), or
  // nothing can be made there.
  explicit NewFolder(std::string path);
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder();

  std::string file(const std::string& name) const { return temporary_ + "/" + name; }
  // Where it is filled.
  const std::string& path() const { return temporary_; }
  void commit();

 private:
  std::string path_, temporary_;
  int lock_ = -1;  // of the folder while it is filled
};

}  // namespace emend
