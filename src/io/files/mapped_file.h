#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace emend {

// A file's bytes, mapped private and read-only: nothing can write to the base weights.
class MappedFile {
 public:
  // `place` stands in the error that is thrown when it cannot be opened or is no regular file.
  MappedFile(const std::string& path, const char* place);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  // Says that bytes [begin, end) are not needed for now: whole pages leave this process' memory and
  // come back when they are read.
  void let_go(uint64_t begin, uint64_t end) const;
  std::string_view bytes() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace emend
