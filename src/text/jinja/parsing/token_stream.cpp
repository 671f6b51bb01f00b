#include "text/jinja/parsing/token_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/budget.h"

namespace emend::text::jinja {
namespace {

// Parentheses count as three constructs, and blocks as one.
constexpr int kMaxNestedConstructs = 400;

}  // namespace

std::string at_line(int line, std::string_view what) {
  return fmt::format("line {}: {}", line, what);
}

const Token& TokenStream::peek() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }

Token TokenStream::next() {
  if (at_ + 1 == tokens_.size()) unexpected();
  return tokens_[at_++];
}

Token TokenStream::expect(Token::Kind kind) {
  if (now().kind != kind) unexpected();
  return next();
}

void TokenStream::expect_sign(std::string_view sign) {
  if (!take_sign(sign)) unexpected();
}

bool TokenStream::take(Token::Kind kind, std::string_view text) {
  const bool there = now_is(kind, text);
  if (there) next();
  return there;
}

void TokenStream::unexpected(const Token& token) {
  fail(at_line(token.line, token.kind == Token::Kind::end
                               ? "the template ends too early"
                               : fmt::format("'{}' is unexpected", token.text)));
}

void TokenStream::too_deep() const {
  fail(at_line(now().line, "the template is nested too deeply"));
}

TokenStream::Nested::Nested(TokenStream& tokens) : tokens_(tokens) {
  if (++tokens_.depth_ > kMaxNestedConstructs) tokens_.too_deep();
}

}  // namespace emend::text::jinja
