#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/files/file_reader.h"

namespace emend {

// A JSON list of objects of any length. Only the offsets of the objects are in memory (16 bytes per
// row). Objects are parsed when they are requested.
class JsonRows {
 public:
  static constexpr uint64_t kLargestRow = uint64_t{16} << 20;

  // Scans the file once. Throws emend::Error with the line for anything but `[{...}, {...}]`. The
  // content of the objects is checked by row().
  explicit JsonRows(const std::string& path);

  size_t size() const { return rows_.size(); }
  // Throws emend::Error with file and row for invalid JSON (io/json/json.h).
  nlohmann::json row(size_t index) const;
  // "file (row 17)", 0-based.
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
