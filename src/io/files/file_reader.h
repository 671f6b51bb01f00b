#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace emend {

// Pieces of a file that is too large to hold. Not mapped: a file that another program cuts short
// gives an error here and not a SIGBUS. Copies share the open file; threads may read at once.
class FileReader {
 public:
  // Throws emend::Error when it cannot be opened or is no regular file.
  explicit FileReader(const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // Throws emend::Error when the piece is not all there, or the file was written to since it was
  // opened (replacing it by renaming does no harm).
  std::string read(uint64_t offset, uint64_t length) const;

 private:
  struct Opened;
  std::string path_;
  uint64_t size_ = 0;
  std::shared_ptr<const Opened> file_;
};

}  // namespace emend
