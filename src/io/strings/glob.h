#pragma once

#include <string>
#include <vector>

namespace emend {

// A glob that matches whole texts: `*`, `?`, `[0-9]`, `[!a]`, `{a,b}`; `*` also matches dots.
// Throws emend::Error if brackets or braces are unbalanced, or if braces have too many
// combinations.
class Glob {
 public:
  explicit Glob(const std::string& pattern);
  bool matches(const std::string& text) const;

 private:
  std::vector<std::string> alternatives_;  // with braces expanded
};

// Returns the `count` candidates nearest to `text` by edit distance. In `text`, `*` stands for any
// characters, and `?` for one.
std::vector<std::string> nearest(const std::string& text,
                                 const std::vector<std::string>& candidates, size_t count = 3);

}  // namespace emend
