#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// A file of JSON values, one a line, that grows while a job runs and survives its being killed at
// any moment: a line is written whole and flushed to the disk before `append` returns, and a last
// line that is not whole is dropped when the file is opened again.
class JsonLines {
 public:
  // Opens, or makes, the file. Throws emend::Error when another process has it open this way.
  // `durable`: flush to the disk too, which matters when the machine fails, not when the program
  // does.
  explicit JsonLines(std::string path, bool durable = true);
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;
  ~JsonLines();

  // Lines that were there when the file was opened.
  size_t size() const { return size_; }
  // The next of those, in order; false after the last. Throws emend::Error that names the line
  // when it is no JSON.
  bool next(nlohmann::json& value);
  // Throws emend::Error, with the file as it was, when the disk is full.
  void append(const nlohmann::json& value);

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::string path_;
  bool durable_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;  // all of them whole lines
  size_t size_ = 0, read_ = 0;
  std::ifstream reader_;
};

}  // namespace emend
