#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// A JSON Lines file that grows while a job runs, and survives a kill at any moment: `append` writes
// a whole line and flushes it to the disk before it returns, and an incomplete last line is removed
// when the file is opened again.
class JsonLines {
 public:
  // Opens or creates the file. Throws emend::Error if another process has it open for appending.
  // `durable`: also flush to the disk, which protects against a crash of the machine, not only of
  // the program.
  explicit JsonLines(std::string path, bool durable = true);
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;
  ~JsonLines();

  // Number of lines when the file was opened.
  size_t size() const { return size_; }
  // Reads the next of these lines; returns false after the last one. Throws emend::Error that names
  // the line if it is not valid JSON.
  bool next(nlohmann::json& value);
  // Throws emend::Error if the disk is full, and leaves the file as it was.
  void append(const nlohmann::json& value);

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::string path_;
  bool durable_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;  // total length of the complete lines
  size_t size_ = 0, read_ = 0;
  std::ifstream reader_;
};

}  // namespace emend
