#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/parsing/lexer.h"

namespace emend::text::jinja {

// "line 3: what", for errors.
std::string at_line(int line, std::string_view what);

// The tokens of a template, read from the first to the last. Throws Failure with the line if the
// next token is not the expected one.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& now() const { return tokens_[at_]; }
  const Token& peek() const;  // the token after the current one
  bool now_is(Token::Kind kind, std::string_view text) const { return now().is(kind, text); }

  Token next();  // returns the current token and moves to the next one
  // Moves to the next token if the current one is this sign or name.
  bool take_sign(std::string_view sign) { return take(Token::Kind::sign, sign); }
  bool take_name(std::string_view name) { return take(Token::Kind::name, name); }
  Token expect(Token::Kind kind);
  void expect_sign(std::string_view sign);

  [[noreturn]] void unexpected() const { unexpected(now()); }
  [[noreturn]] static void unexpected(const Token& token);
  [[noreturn]] void too_deep() const;

  // Counts nested constructs while it exists. Throws Failure if they are nested too deeply.
  class Nested {
   public:
    explicit Nested(TokenStream& tokens);
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    ~Nested() { --tokens_.depth_; }

   private:
    TokenStream& tokens_;
  };

 private:
  bool take(Token::Kind kind, std::string_view text);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace emend::text::jinja
