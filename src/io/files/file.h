#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace emend {

// Returns the content of a file. Throws emend::Error if it cannot be read, is not a regular file,
// or has more than `max_bytes` bytes (checked before memory is allocated).
std::string read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 31);

// A file that appears complete or not at all: bytes go to a temporary file next to `path`; `commit`
// flushes them to disk and renames the file. Without `commit`, the destructor removes the temporary
// file and leaves `path` unchanged. All failures, including a full disk, throw emend::Error.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const char* what, int error);

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

void write_file(const std::string& path, std::string_view bytes);

}  // namespace emend
