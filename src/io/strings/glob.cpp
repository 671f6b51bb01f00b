#include "io/strings/glob.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "io/error.h"

namespace emend {
namespace {

constexpr size_t kMostAlternatives = 4096;
constexpr size_t kLongest = 4096;

[[noreturn]] void refuse_pattern(const std::string& pattern, const char* why) {
  throw Error("models::sites", fmt::format("the pattern `{}` {}", pattern.substr(0, 200), why),
              "example of a pattern: *.layers.{2,3}.fc[12]");
}

// Replaces the first {a,b} by each of its alternatives. Nested braces are expanded recursively.
bool expand_once(const std::string& pattern, std::vector<std::string>& out) {
  const auto open = pattern.find('{');
  if (open == std::string::npos) {
    if (pattern.find('}') != std::string::npos)
      refuse_pattern(pattern, "has a closing brace without an opening one");
    return false;
  }
  std::vector<size_t> cuts{open};
  int depth = 0;
  size_t at = open;
  for (; at < pattern.size(); ++at) {
    if (pattern[at] == '{') ++depth;
    if (pattern[at] == ',' && depth == 1) cuts.push_back(at);
    if (pattern[at] == '}' && --depth == 0) break;
  }
  if (at == pattern.size()) refuse_pattern(pattern, "has a brace that is not closed");
  cuts.push_back(at);
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    out.push_back(pattern.substr(0, open) + pattern.substr(cuts[i] + 1, cuts[i + 1] - cuts[i] - 1) +
                  pattern.substr(at + 1));
  return true;
}

// Returns the position after the bracket expression at `at`, and whether it contains `c`.
size_t read_class(const std::string& pattern, size_t at, char c, bool& holds) {
  size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  holds = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      holds = holds || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 3;
    } else {
      holds = holds || pattern[i] == c;
      ++i;
    }
  }
  if (i >= pattern.size()) refuse_pattern(pattern, "has a bracket that is not closed");
  if (negated) holds = !holds;
  return i + 1;
}

// Compares one character of the pattern (not `*`) with one of the text.
bool step(const std::string& pattern, size_t& at, char c) {
  if (pattern[at] == '?') return ++at, true;
  if (pattern[at] != '[') return pattern[at++] == c;
  bool holds = false;
  at = read_class(pattern, at, c, holds);
  return holds;
}

bool match(const std::string& pattern, const std::string& text) {
  size_t p = 0, t = 0, star = std::string::npos, resume = 0;
  while (t < text.size()) {
    size_t next = p;
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      resume = t;
    } else if (p < pattern.size() && step(pattern, next, text[t])) {
      p = next;
      ++t;
    } else if (star != std::string::npos) {
      p = star;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// The edit distance, where `*` in `a` stands for any characters, and `?` for one.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    const bool any = a[i] == '*';
    size_t corner = row[0];
    row[0] += !any;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = corner + (!any && a[i] != '?' && a[i] != b[j]);
      corner = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + !any, row[j] + !any, change});
    }
  }
  return row.back();
}

}  // namespace

Glob::Glob(const std::string& pattern) {
  if (pattern.size() > kLongest) refuse_pattern(pattern, "is too long");
  std::vector<std::string> open{pattern};
  while (!open.empty()) {
    auto next = std::move(open.back());
    open.pop_back();
    if (!expand_once(next, open)) alternatives_.push_back(std::move(next));
    if (open.size() + alternatives_.size() > kMostAlternatives)
      refuse_pattern(pattern, "has too many alternatives");
  }
  for (const auto& alternative : alternatives_)
    for (size_t at = 0; at < alternative.size();) {
      bool ignored;
      at = alternative[at] == '[' ? read_class(alternative, at, 0, ignored) : at + 1;
    }
}

std::vector<std::string> patterns_of_listed_names(const std::string& pattern) {
  std::vector<std::string> all;
  for (size_t open = 0; (open = pattern.find('{', open)) != std::string::npos; ++open) {
    const auto close = pattern.find_first_of("{}", open + 1);
    if (close == std::string::npos || pattern[close] == '{') continue;  // nested braces
    std::vector<std::string> names;
    expand_once(pattern.substr(open, close + 1 - open), names);
    const bool listed = std::none_of(names.begin(), names.end(), [](const std::string& name) {
      return name.empty() || name.find_first_of("*?[") != std::string::npos;
    });
    for (const auto& name : names)
      if (listed) all.push_back(pattern.substr(0, open) + name + pattern.substr(close + 1));
  }
  return all;
}

bool Glob::matches(const std::string& text) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const std::string& pattern) { return match(pattern, text); });
}

std::vector<std::string> nearest(const std::string& text,
                                 const std::vector<std::string>& candidates, size_t count) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const auto& candidate : candidates)
    ranked.emplace_back(distance(text.substr(0, 200), candidate), candidate);
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min(count, ranked.size()); ++i) result.push_back(ranked[i].second);
  return result;
}

}  // namespace emend
