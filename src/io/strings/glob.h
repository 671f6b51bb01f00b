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

// For each list of names or numbers in braces, the pattern with one of them in place of the list:
// `*.{2,3}.fc1` gives *.2.fc1 and *.3.fc1. Lists with an empty name or a wildcard give none.
std::vector<std::string> patterns_of_listed_names(const std::string& pattern);

// Returns the `count` candidates nearest to `text` by edit distance. In `text`, `*` stands for any
// characters, and `?` for one.
std::vector<std::string> nearest(const std::string& text,
                                 const std::vector<std::string>& candidates, size_t count = 3);

}  // namespace emend
