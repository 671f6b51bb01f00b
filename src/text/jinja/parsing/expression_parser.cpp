#include "text/jinja/parsing/expression_parser.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "text/jinja/budget.h"

namespace emend::text::jinja {
namespace {

constexpr int kMaxTreeDepth = 300;

// The sign of a comparison, if the current token is one.
std::optional<Token> take_comparison(TokenStream& tokens) {
  static constexpr std::string_view kSigns[] = {"==", "!=", "<", ">", "<=", ">="};
  if (tokens.now().kind == Token::Kind::sign &&
      std::find(std::begin(kSigns), std::end(kSigns), tokens.now().text) != std::end(kSigns))
    return tokens.next();
  if (tokens.now_is(Token::Kind::name, "in")) return tokens.next();
  if (tokens.now_is(Token::Kind::name, "not") && tokens.peek().is(Token::Kind::name, "in")) {
    Token token = tokens.next();
    tokens.next();
    token.text = "not in";
    return token;
  }
  return std::nullopt;
}

}  // namespace

ExpressionPtr ExpressionParser::tuple(bool conditions) {
  const int line = tokens_.now().line;
  auto first = conditions ? expression() : logical_or();
  if (!tokens_.now_is(Token::Kind::sign, ",")) return first;
  auto list = make(Kind::list, line);
  adopt(*list, std::move(first));
  while (tokens_.take_sign(",")) {
    if (tokens_.now().kind == Token::Kind::output_end ||
        tokens_.now().kind == Token::Kind::block_end || tokens_.now_is(Token::Kind::sign, ")"))
      break;
    adopt(*list, conditions ? expression() : logical_or());
  }
  return list;
}

ExpressionPtr ExpressionParser::expression() {
  const TokenStream::Nested nested(tokens_);
  auto value = logical_or();
  while (tokens_.now_is(Token::Kind::name, "if")) {
    auto made = make(Kind::condition, tokens_.next().line);
    auto test = logical_or();
    adopt(*made, std::move(test));
    adopt(*made, std::move(value));
    adopt(*made, tokens_.take_name("else") ? expression() : nullptr);
    value = std::move(made);
  }
  return value;
}

ExpressionPtr ExpressionParser::logical_or() {
  auto left = logical_and();
  while (tokens_.now_is(Token::Kind::name, "or")) {
    const Token sign = tokens_.next();
    left = joined(Kind::logical_or, sign, std::move(left), logical_and());
  }
  return left;
}

ExpressionPtr ExpressionParser::logical_and() {
  auto left = logical_not();
  while (tokens_.now_is(Token::Kind::name, "and")) {
    const Token sign = tokens_.next();
    left = joined(Kind::logical_and, sign, std::move(left), logical_not());
  }
  return left;
}

ExpressionPtr ExpressionParser::logical_not() {
  const TokenStream::Nested nested(tokens_);
  if (!tokens_.now_is(Token::Kind::name, "not")) return comparison();
  auto made = make(Kind::logical_not, tokens_.next().line);
  adopt(*made, logical_not());
  return made;
}

ExpressionPtr ExpressionParser::comparison() {
  auto left = sum();
  const auto sign = take_comparison(tokens_);
  if (!sign) return left;
  auto made = joined(Kind::compare, *sign, std::move(left), sum());
  if (const auto more = take_comparison(tokens_))
    refuse(at_line(more->line, "a chain of comparisons"));
  return made;
}

ExpressionPtr ExpressionParser::sum() {
  auto left = concatenation();
  while (tokens_.now_is(Token::Kind::sign, "+") || tokens_.now_is(Token::Kind::sign, "-")) {
    const Token sign = tokens_.next();
    left = joined(Kind::binary, sign, std::move(left), concatenation());
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  auto first = product();
  if (!tokens_.now_is(Token::Kind::sign, "~")) return first;
  auto made = make(Kind::concat, tokens_.now().line);
  adopt(*made, std::move(first));
  while (tokens_.take_sign("~")) adopt(*made, product());
  return made;
}

ExpressionPtr ExpressionParser::product() {
  auto left = unary(true);
  for (;;) {
    if (tokens_.now_is(Token::Kind::sign, "**"))
      refuse(at_line(tokens_.now().line, "the operator '**'"));
    if (!tokens_.now_is(Token::Kind::sign, "*") && !tokens_.now_is(Token::Kind::sign, "/") &&
        !tokens_.now_is(Token::Kind::sign, "//") && !tokens_.now_is(Token::Kind::sign, "%"))
      return left;
    const Token sign = tokens_.next();
    left = joined(Kind::binary, sign, std::move(left), unary(true));
  }
}

ExpressionPtr ExpressionParser::unary(bool filters) {
  const TokenStream::Nested nested(tokens_);
  ExpressionPtr made;
  if (tokens_.now_is(Token::Kind::sign, "-") || tokens_.now_is(Token::Kind::sign, "+")) {
    const Token sign = tokens_.next();
    if (sign.text == "+") refuse(at_line(sign.line, "the unary '+'"));
    made = make(Kind::negate, sign.line);
    adopt(*made, unary(false));
  } else {
    made = primary();
  }
  made = postfix(std::move(made));
  while (filters) {
    if (tokens_.now_is(Token::Kind::sign, "|"))
      made = filter(std::move(made));
    else if (tokens_.now_is(Token::Kind::name, "is"))
      made = test(std::move(made));
    else
      break;
  }
  return made;
}

ExpressionPtr ExpressionParser::make(Kind kind, int line) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  return made;
}

ExpressionPtr ExpressionParser::joined(Kind kind, const Token& sign, ExpressionPtr left,
                                       ExpressionPtr right) {
  auto made = make(kind, sign.line);
  made->name = sign.text;
  adopt(*made, std::move(left));
  adopt(*made, std::move(right));
  return made;
}

void ExpressionParser::adopt(Expression& parent, ExpressionPtr child) {
  if (child) parent.depth = deeper(parent.depth, *child);
  parent.parts.push_back(std::move(child));
}

// Long chains (a + a + ...) make deep trees without nesting.
int ExpressionParser::deeper(int depth, const Expression& child) {
  if (child.depth >= kMaxTreeDepth) tokens_.too_deep();
  return std::max(depth, child.depth + 1);
}

}  // namespace emend::text::jinja
