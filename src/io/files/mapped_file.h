#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace emend {

// A read-only, private memory mapping of a file. Nothing can write to the base weights.
class MappedFile {
 public:
  // `place` is the prefix of the error that is thrown if the file cannot be opened or is not a
  // regular file.
  MappedFile(const std::string& path, const char* place);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  // Releases the pages of bytes [begin, end) from the memory of this process. They are loaded again
  // when they are next read.
  void release_pages(uint64_t begin, uint64_t end) const;
  std::string_view bytes() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace emend
