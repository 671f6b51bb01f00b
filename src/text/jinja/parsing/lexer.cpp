#include "text/jinja/parsing/lexer.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/budget.h"
#include "text/utf8.h"

namespace emend::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Newlines of any kind become "\n", and the last one is removed.
std::string prepared_source(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string text) : source_(std::move(text)), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) outside();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  // Reads text up to the next tag, and then the tag.
  void outside() {
    size_t open = 0;
    while (open < rest_.size() &&
           !(rest_[open] == '{' && open + 1 < rest_.size() &&
             std::string_view("{%#").find(rest_[open + 1]) != std::string_view::npos))
      ++open;
    const auto text = rest_.substr(0, open);
    if (open == rest_.size()) {
      add_text(text);
      take(open);
      return;
    }
    const char kind = rest_[open + 1];
    const char sign = open + 2 < rest_.size() ? rest_[open + 2] : ' ';
    auto kept = text;
    if (sign == '-') {
      kept = python_rstrip(text);
    } else if (sign != '+' && kind != '{') {
      const size_t line = text.rfind('\n') + 1;  // 0 if there is no newline
      if ((line > 0 || line_starting_) && python_lstrip(text.substr(line)).empty())
        kept = text.substr(0, line);
    }
    add_text(kept);
    take(open);
    const bool signed_tag = sign == '-' || sign == '+';
    const int line = line_;
    take(signed_tag ? 3 : 2);
    if (kind == '#')
      comment(line);
    else
      tag(kind == '{', line);
  }

  void comment(int line) {
    const size_t end = rest_.find("#}");
    if (end == std::string_view::npos) fail(fmt::format("line {}: a comment is not closed", line));
    const char sign = end > 0 ? rest_[end - 1] : ' ';
    take(end + 2);
    after_tag(sign);
  }

  void tag(bool output, int line) {
    const auto begin = output ? Token::Kind::output_begin : Token::Kind::block_begin;
    const auto end = output ? Token::Kind::output_end : Token::Kind::block_end;
    const std::string_view close = output ? "}}" : "%}";
    add(begin, output ? "{{" : "{%");
    open_.clear();
    for (;;) {
      take(rest_.size() - python_lstrip(rest_).size());
      if (rest_.empty()) fail(fmt::format("line {}: a tag is not closed", line));
      const char sign = rest_[0];
      const bool signed_end =
          (sign == '-' || (sign == '+' && !output)) && rest_.substr(1, close.size()) == close;
      if (open_.empty() && (signed_end || rest_.substr(0, close.size()) == close)) {
        add(end, std::string(close));
        take(close.size() + signed_end);
        after_tag(signed_end ? sign : output ? '+' : ' ');
        return;
      }
      inside();
    }
  }

  // White space after a tag: all of it is removed after -, otherwise one newline.
  void after_tag(char sign) {
    line_starting_ = false;
    if (sign == '-') {
      const auto space = rest_.substr(0, rest_.size() - python_lstrip(rest_).size());
      line_starting_ = !space.empty() && space.back() == '\n';
      take(space.size());
    } else if (sign != '+' && !rest_.empty() && rest_[0] == '\n') {
      line_starting_ = true;
      take(1);
    }
  }

  void inside() {
    const char c = rest_[0];
    if (is_letter(c))
      name();
    else if (is_digit(c))
      number();
    else if (c == '\'' || c == '"')
      string();
    else
      sign();
  }

  void name() {
    size_t size = 1;
    while (size < rest_.size() && (is_letter(rest_[size]) || is_digit(rest_[size]))) ++size;
    const auto word = rest_.substr(0, size);
    if (word == "raw" && tokens_.back().kind == Token::Kind::block_begin)
      refuse(fmt::format("line {}: the statement 'raw'", line_));
    add(Token::Kind::name, std::string(word));
    take(size);
  }

  void number() {
    auto digits = [&](size_t at) {
      while (at < rest_.size() && is_digit(rest_[at])) ++at;
      return at;
    };
    size_t size = digits(0);
    bool real = false;
    // In a.0.1, the numbers are indices.
    const bool index = tokens_.back().is(Token::Kind::sign, ".");
    if (!index && size + 1 < rest_.size() && rest_[size] == '.' && is_digit(rest_[size + 1])) {
      real = true;
      size = digits(size + 1);
    }
    if (size < rest_.size() && (is_letter(rest_[size]) || (!real && size > 1 && rest_[0] == '0')))
      refuse(fmt::format("line {}: the number '{}'", line_, rest_.substr(0, size + 1)));
    add(real ? Token::Kind::real : Token::Kind::integer, std::string(rest_.substr(0, size)));
    take(size);
  }

  void string() {
    const char quote = rest_[0];
    std::string text;
    size_t at = 1;
    for (; at < rest_.size() && rest_[at] != quote;) {
      if (rest_[at] == '\\')
        escape(text, at);
      else
        text += rest_[at++];
    }
    if (at >= rest_.size()) fail(fmt::format("line {}: a string is not closed", line_));
    add(Token::Kind::string, std::move(text));
    take(at + 1);
  }

  // An escape of a Python string literal; `at` is at the backslash and moves past the escape.
  void escape(std::string& text, size_t& at) {
    const char c = at + 1 < rest_.size() ? rest_[at + 1] : '\0';
    static constexpr std::string_view kPlain = "\\'\"abfnrtv";
    static constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
    if (c == '\n') {  // line continuation
      at += 2;
    } else if (const size_t known = kPlain.find(c); known != std::string_view::npos) {
      text += kMeaning[known];
      at += 2;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      code_point(text, rest_.substr(std::min(at + 2, rest_.size()), count), count, 16);
      at += 2 + count;
    } else if (c >= '0' && c <= '7') {
      size_t count = 1;
      while (count < 3 && at + 1 + count < rest_.size() && rest_[at + 1 + count] >= '0' &&
             rest_[at + 1 + count] <= '7')
        ++count;
      code_point(text, rest_.substr(at + 1, count), count, 8);
      at += 1 + count;
    } else if (c == 'N') {
      refuse(fmt::format("line {}: the escape \\N", line_));
    } else {
      text += '\\';
      ++at;
    }
  }

  void code_point(std::string& text, std::string_view digits, size_t count, uint32_t base) {
    uint64_t code = 0;
    for (char c : digits) {
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      const size_t value = std::string_view("0123456789abcdef").find(lower);
      if (value >= base) digits = {};
      code = code * base + value;
    }
    if (digits.size() != count || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      fail(fmt::format("line {}: an escape in a string is not a valid character", line_));
    append_utf8(text, static_cast<char32_t>(code));
  }

  void sign() {
    static constexpr std::string_view kTwo[] = {"==", "!=", ">=", "<=", "//", "**"};
    static constexpr std::string_view kOne = "+-*/%~[](){}<>=.:|,;";
    size_t size = 0;
    for (const auto two : kTwo)
      if (rest_.substr(0, 2) == two) size = 2;
    if (size == 0 && kOne.find(rest_[0]) != std::string_view::npos) size = 1;
    if (size == 0)
      fail(fmt::format("line {}: the character '{}' is unexpected", line_,
                       rest_.substr(0, character_size(rest_, 0))));
    const auto text = rest_.substr(0, size);
    static constexpr std::string_view kOpen = "([{", kClose = ")]}";
    if (kOpen.find(text[0]) != std::string_view::npos) {
      open_ += kClose[kOpen.find(text[0])];
    } else if (kClose.find(text[0]) != std::string_view::npos) {
      if (open_.empty() || open_.back() != text[0])
        fail(fmt::format("line {}: '{}' has no opening bracket", line_, text));
      open_.pop_back();
    }
    add(Token::Kind::sign, std::string(text));
    take(size);
  }

  void add_text(std::string_view text) {
    if (!text.empty()) add(Token::Kind::text, std::string(text));
  }
  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }
  void take(size_t size) {
    line_ += static_cast<int>(std::count(rest_.begin(), rest_.begin() + size, '\n'));
    rest_.remove_prefix(size);
  }

  std::string source_;
  std::string_view rest_;
  std::vector<Token> tokens_;
  std::string open_;  // brackets that are still open
  int line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (const auto bad = invalid_utf8(source))
    fail(fmt::format("the template is not UTF-8: byte {} is invalid", *bad));
  return Lexer(prepared_source(source)).run();
}

}  // namespace emend::text::jinja
