#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace emend {

// Reads parts of a file that is too large for memory. The file is not memory-mapped: if another
// program truncates it, `read` throws an error instead of a SIGBUS. Copies share the open file.
// Several threads may read at the same time.
class FileReader {
 public:
  // Throws emend::Error if the file cannot be opened or is not a regular file.
  explicit FileReader(const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // Throws emend::Error if the file is too short, or was modified since it was opened. Replacing
  // the file by renaming is allowed.
  std::string read(uint64_t offset, uint64_t length) const;

 private:
  struct Opened;
  std::string path_;
  uint64_t size_ = 0;
  std::shared_ptr<const Opened> file_;
};

}  // namespace emend
