#include "suites/facts/json_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "io/error.h"
#include "io/hash.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kJsonRowsPlace = "suites::json";
constexpr uint64_t kPiece = uint64_t{1} << 20;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Scans the bytes once and recognizes only strings and brackets.
class Scanner {
 public:
  explicit Scanner(const std::string& path) : path_(path) {}

  // Calls found(begin, end) at the end of each object.
  template <typename Found>
  void feed(std::string_view bytes, Found found) {
    for (char c : bytes) {
      if (c == '\n') ++line_;
      if (state_ == State::within)
        within(c, found);
      else
        between(c);
      ++at_;
    }
  }

  void finish() const {
    if (state_ == State::ended) return;
    if (state_ == State::start)
      throw Error(kJsonRowsPlace, fmt::format("'{}' is empty", path_), kExpected);
    throw Error(kJsonRowsPlace,
                fmt::format("'{}' ends before its list does, in line {}", path_, line_),
                "check that the download is complete");
  }

 private:
  enum class State { start, first, within, after, next, ended };
  static constexpr const char* kExpected = "write one JSON list of objects: [{...}, {...}]";

  template <typename Found>
  void within(char c, Found found) {
    if (escaped_) {
      escaped_ = false;
    } else if (text_) {
      if (c == '\\') escaped_ = true;
      if (c == '"') text_ = false;
    } else if (c == '"') {
      text_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      state_ = State::after;
      found(begin_, at_ + 1);
    }
    if (at_ - begin_ >= JsonRows::kLargestRow)
      throw Error(kJsonRowsPlace,
                  fmt::format("'{}': an object in line {} has more than {} MB", path_, line_,
                              JsonRows::kLargestRow >> 20),
                  "check that it is the right file; pictures must be file names");
  }

  void between(char c) {
    if (is_space(c)) return;
    if (c == '[' && state_ == State::start) {
      state_ = State::first;
    } else if (c == '{' && (state_ == State::first || state_ == State::next)) {
      state_ = State::within;
      begin_ = at_;
      depth_ = 1;
    } else if (c == ',' && state_ == State::after) {
      state_ = State::next;
    } else if (c == ']' && (state_ == State::first || state_ == State::after)) {
      state_ = State::ended;
    } else {
      auto printable = c >= 32 && c < 127 ? fmt::format(" '{}'", c) : std::string();
      throw Error(kJsonRowsPlace,
                  fmt::format("'{}' has an unexpected byte{} between its objects, "
                              "in line {}",
                              path_, printable, line_),
                  kExpected);
    }
  }

  const std::string& path_;
  State state_ = State::start;
  bool text_ = false, escaped_ = false;
  uint64_t at_ = 0, begin_ = 0, depth_ = 0, line_ = 1;
};

}  // namespace

JsonRows::JsonRows(const std::string& path) : file_(path) {
  Scanner scanner(path);
  Hasher hasher;
  for (uint64_t at = 0; at < file_.size(); at += kPiece) {
    auto piece = file_.read(at, std::min(kPiece, file_.size() - at));
    hasher.update(piece);
    // Some editors write a byte order mark before the first byte.
    if (at == 0 && piece.starts_with("\xef\xbb\xbf")) piece.replace(0, 3, "   ");
    scanner.feed(piece, [&](uint64_t begin, uint64_t end) {
      rows_.push_back({begin, end - begin});
    });
  }
  scanner.finish();
  hash_ = hasher.hex();
  rows_.shrink_to_fit();
}

nlohmann::json JsonRows::row(size_t index) const {
  const auto& span = rows_.at(index);
  return parse_json(file_.read(span.begin, span.length), where(index));
}

std::string JsonRows::where(size_t index) const {
  return fmt::format("{} (row {})", path(), index);
}

}  // namespace emend
