#pragma once

#include <string>
#include <vector>

namespace emend {

// `*`, `?`, `[0-9]`, `[!a]`, `{a,b}`, over the whole text; `*` crosses dots. Throws emend::Error
// for unbalanced brackets or braces, and for braces that multiply beyond all use.
class Glob {
 public:
  explicit Glob(const std::string& pattern);
  bool matches(const std::string& text) const;

 private:
  std::vector<std::string> alternatives_;  // without braces
};

// The `count` candidates most like `text`, by edit distance.
std::vector<std::string> nearest(const std::string& text,
                                 const std::vector<std::string>& candidates, size_t count = 3);

}  // namespace emend
