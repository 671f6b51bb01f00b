#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/files/file_reader.h"

namespace emend {

// A file that is one JSON list of objects, of any length: what is held is where each object
// begins and ends (16 bytes a row). Objects are parsed when asked for.
class JsonRows {
 public:
  static constexpr uint64_t kLargestRow = uint64_t{16} << 20;

  // Reads the file through once. Throws emend::Error, with the line, for anything but
  // `[{...}, {...}]`; what stands within the braces is judged by row().
  explicit JsonRows(const std::string& path);

  size_t size() const { return rows_.size(); }
  // Throws emend::Error, with file and row, where it is no valid JSON (io/json/json.h).
  nlohmann::json row(size_t index) const;
  // "file (row 17)", counted from 0.
  std::string where(size_t index) const;
  const std::string& path() const { return file_.path(); }
  const std::string& hash() const { return hash_; }  // XXH3 of the whole file

 private:
  struct Span {
    uint64_t begin, length;
  };

  FileReader file_;
  std::string hash_;
  std::vector<Span> rows_;
};

}  // namespace emend
