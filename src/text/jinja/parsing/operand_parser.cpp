#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "text/jinja/budget.h"
#include "text/jinja/library/library.h"
#include "text/jinja/parsing/expression_parser.h"

namespace emend::text::jinja {
namespace {

// Names that Jinja defines. They are not implemented, and must not be treated as undefined.
constexpr std::string_view kForeign[] = {"dict",  "lipsum", "cycler",  "joiner", "self",
                                         "super", "caller", "varargs", "kwargs"};

Value integer_value(const Token& token) {
  int64_t value = 0;
  const auto end = token.text.data() + token.text.size();
  if (std::from_chars(token.text.data(), end, value).ec != std::errc())
    refuse(at_line(token.line, fmt::format("the number '{}'", token.text)));
  return Value(value);
}

Value real_value(const Token& token) {
  double real = 0;
  std::from_chars(token.text.data(), token.text.data() + token.text.size(), real);
  return Value(real);
}

}  // namespace

ExpressionPtr ExpressionParser::primary() {
  if (tokens_.now_is(Token::Kind::sign, "[")) return list();
  if (tokens_.now_is(Token::Kind::sign, "{")) return mapping();
  const Token token = tokens_.next();
  auto made = make(Kind::constant, token.line);
  switch (token.kind) {
    case Token::Kind::name:
      if (token.text == "true" || token.text == "True" || token.text == "false" ||
          token.text == "False") {
        made->value = Value(token.text == "true" || token.text == "True");
      } else if (token.text != "none" && token.text != "None") {
        return named(token);
      }
      return made;
    case Token::Kind::string: {
      std::string text = token.text;
      while (tokens_.now().kind == Token::Kind::string) text += tokens_.next().text;
      made->value = Value(std::move(text));
      return made;
    }
    case Token::Kind::integer:
      made->value = integer_value(token);
      return made;
    case Token::Kind::real:
      made->value = real_value(token);
      return made;
    default:
      break;
  }
  if (!token.is(Token::Kind::sign, "(")) TokenStream::unexpected(token);
  if (tokens_.take_sign(")")) {
    made->kind = Kind::list;
    return made;
  }
  auto inner = tuple(true);
  tokens_.expect_sign(")");
  return inner;
}

ExpressionPtr ExpressionParser::list() {
  auto made = make(Kind::list, tokens_.next().line);
  while (!tokens_.now_is(Token::Kind::sign, "]")) {
    adopt(*made, expression());
    if (!tokens_.take_sign(",")) break;
  }
  tokens_.expect_sign("]");
  return made;
}

ExpressionPtr ExpressionParser::mapping() {
  auto made = make(Kind::map, tokens_.next().line);
  while (!tokens_.now_is(Token::Kind::sign, "}")) {
    adopt(*made, expression());
    tokens_.expect_sign(":");
    adopt(*made, expression());
    if (!tokens_.take_sign(",")) break;
  }
  tokens_.expect_sign("}");
  return made;
}

// A variable, or a call of a function or macro.
ExpressionPtr ExpressionParser::named(const Token& token) {
  const bool called = tokens_.now_is(Token::Kind::sign, "(");
  if (std::find(std::begin(kForeign), std::end(kForeign), token.text) != std::end(kForeign) ||
      (called && !is_function(token.text) && macros_.count(token.text) == 0))
    refuse(at_line(token.line,
                   fmt::format("{} '{}'", called ? "the function" : "the name", token.text)));
  auto made = make(called ? Kind::call : Kind::variable, token.line);
  made->name = token.text;
  if (called) arguments(*made);
  return made;
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr value) {
  for (;;) {
    if (tokens_.now_is(Token::Kind::sign, "."))
      value = member(std::move(value));
    else if (tokens_.now_is(Token::Kind::sign, "["))
      value = subscript(std::move(value));
    else if (tokens_.now_is(Token::Kind::sign, "("))
      refuse(at_line(tokens_.now().line, "calling a value"));
    else
      return value;
  }
}

// value.name, value.name(...) or value.0
ExpressionPtr ExpressionParser::member(ExpressionPtr value) {
  tokens_.expect_sign(".");
  const Token name = tokens_.next();
  if (name.kind == Token::Kind::integer) {
    auto index = make(Kind::constant, name.line);
    index->value = integer_value(name);
    return joined(Kind::item, name, std::move(value), std::move(index));
  }
  if (name.kind != Token::Kind::name) TokenStream::unexpected(name);
  const bool called = tokens_.now_is(Token::Kind::sign, "(");
  if (called && !is_method(name.text))
    refuse(at_line(name.line, fmt::format("the method '{}'", name.text)));
  auto made = make(called ? Kind::method : Kind::attribute, name.line);
  made->name = name.text;
  adopt(*made, std::move(value));
  if (called) arguments(*made);
  return made;
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr value) {
  auto made = make(Kind::item, tokens_.next().line);
  adopt(*made, std::move(value));
  auto part = [&]() -> ExpressionPtr {
    return tokens_.now_is(Token::Kind::sign, ":") || tokens_.now_is(Token::Kind::sign, "]")
               ? nullptr
               : expression();
  };
  auto first = part();
  if (!first && tokens_.now_is(Token::Kind::sign, "]")) tokens_.unexpected();
  adopt(*made, std::move(first));
  if (tokens_.now_is(Token::Kind::sign, ":")) {
    made->kind = Kind::slice;
    for (int i = 0; i < 2; ++i) adopt(*made, tokens_.take_sign(":") ? part() : nullptr);
  }
  tokens_.expect_sign("]");
  return made;
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr value) {
  tokens_.expect_sign("|");
  const Token name = tokens_.expect(Token::Kind::name);
  if (!is_filter(name.text)) refuse(at_line(name.line, fmt::format("the filter '{}'", name.text)));
  auto made = make(Kind::filter, name.line);
  made->name = name.text;
  adopt(*made, std::move(value));
  if (tokens_.now_is(Token::Kind::sign, "(")) arguments(*made);
  return made;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr value) {
  tokens_.next();  // is
  const bool negated = tokens_.take_name("not");
  const Token name = tokens_.expect(Token::Kind::name);
  if (!is_test(name.text)) refuse(at_line(name.line, fmt::format("the test '{}'", name.text)));
  auto made = make(Kind::test, name.line);
  made->name = name.text;
  adopt(*made, std::move(value));
  if (tokens_.now_is(Token::Kind::sign, "("))
    arguments(*made);
  else if (begins_argument())
    adopt(*made, postfix(primary()));
  if (!negated) return made;
  auto turned = make(Kind::logical_not, name.line);
  adopt(*turned, std::move(made));
  return turned;
}

// Whether the argument of a test follows without parentheses: x is equalto 'y'.
bool ExpressionParser::begins_argument() const {
  const Token& token = tokens_.now();
  if (token.kind == Token::Kind::name)
    return token.text != "else" && token.text != "or" && token.text != "and";
  return token.kind == Token::Kind::string || token.kind == Token::Kind::integer ||
         token.kind == Token::Kind::real || token.is(Token::Kind::sign, "[") ||
         token.is(Token::Kind::sign, "{");
}

void ExpressionParser::arguments(Expression& made) {
  tokens_.expect_sign("(");
  while (!tokens_.now_is(Token::Kind::sign, ")")) {
    if (tokens_.now_is(Token::Kind::sign, "*") || tokens_.now_is(Token::Kind::sign, "**"))
      refuse(at_line(tokens_.now().line, "argument unpacking by '*'"));
    if (tokens_.now().kind == Token::Kind::name && tokens_.peek().is(Token::Kind::sign, "=")) {
      const std::string name = tokens_.next().text;
      tokens_.next();
      auto value = expression();
      made.depth = deeper(made.depth, *value);
      made.named.emplace_back(name, std::move(value));
    } else {
      if (!made.named.empty()) tokens_.unexpected();
      adopt(made, expression());
    }
    if (!tokens_.take_sign(",")) break;
  }
  tokens_.expect_sign(")");
}

}  // namespace emend::text::jinja
