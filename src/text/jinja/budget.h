#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace emend::text::jinja {

// An error of a template. ChatTemplate converts it to an emend::Error that names the template.
class Failure : public std::runtime_error {
 public:
  Failure(const std::string& problem, std::string hint)
      : std::runtime_error(problem), hint(std::move(hint)) {}
  std::string hint;
};
[[noreturn]] void fail(const std::string& problem);
[[noreturn]] void refuse(const std::string& construct);  // "... is not implemented"

// Limits the work of one rendering: a million steps, or 64 MiB of text, in total.
class Budget {
 public:
  void step() { spend(64); }
  void text(size_t bytes) { spend(bytes); }
  void items(size_t count) { spend(64 * static_cast<uint64_t>(count)); }

 private:
  void spend(uint64_t units) {
    if (units > left_) exhausted();
    left_ -= units;
  }
  [[noreturn]] static void exhausted();

  uint64_t left_ = uint64_t{1} << 26;
};

}  // namespace emend::text::jinja
