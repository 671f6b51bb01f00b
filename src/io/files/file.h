#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace emend {

// The whole file. Throws emend::Error when it cannot be read, is no regular file, or has more than
// `max_bytes` bytes (checked before anything is allocated).
std::string read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 31);

// A file that exists whole or not at all: bytes go to a temporary name beside `path`, `commit`
// flushes them to disk and renames. Destroyed without `commit`, the temporary file is removed and
// what was at `path` before is untouched. All failures (full disk too) are emend::Error.
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
