#include "text/jinja/parsing/statement_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "text/jinja/budget.h"
#include "text/jinja/library/library.h"

namespace emend::text::jinja {
namespace {

Statement make_statement(Statement::Kind kind, int line) {
  Statement made{};
  made.kind = kind;
  made.line = line;
  return made;
}

}  // namespace

std::vector<Statement> StatementParser::statements(const std::vector<std::string_view>& ends) {
  const TokenStream::Nested nested(tokens_);
  Statements all;
  while (tokens_.now().kind != Token::Kind::end) {
    const int line = tokens_.now().line;
    if (tokens_.now().kind == Token::Kind::text) {
      all.push_back(make_statement(Statement::Kind::text, line));
      all.back().text = tokens_.next().text;
    } else if (tokens_.now().kind == Token::Kind::output_begin) {
      tokens_.next();
      all.push_back(make_statement(Statement::Kind::output, line));
      all.back().expression = expressions_.tuple(true);
      tokens_.expect(Token::Kind::output_end);
    } else {
      tokens_.expect(Token::Kind::block_begin);
      if (tokens_.now().kind != Token::Kind::name) tokens_.unexpected();
      if (std::find(ends.begin(), ends.end(), tokens_.now().text) != ends.end()) return all;
      all.push_back(statement());
    }
  }
  if (!ends.empty()) fail(fmt::format("the template ends where '{}' is expected", ends.back()));
  return all;
}

Statement StatementParser::statement() {
  const Token name = tokens_.next();
  if (name.text == "if") return condition(name.line);
  if (name.text == "for") return loop(name.line);
  if (name.text == "set") return assignment(name.line);
  if (name.text == "macro") return macro(name.line);
  if (name.text == "generation") {  // transformers' mark of the assistant's text
    Statement made = make_statement(Statement::Kind::enclosed, name.line);
    made.body = enclosed({"endgeneration"});
    return made;
  }
  if (name.text == "break" || name.text == "continue") {
    if (loops_ == 0) fail(at_line(name.line, fmt::format("'{}' outside of a loop", name.text)));
    tokens_.expect(Token::Kind::block_end);
    return make_statement(
        name.text == "break" ? Statement::Kind::loop_break : Statement::Kind::loop_continue,
        name.line);
  }
  if (name.text.starts_with("end") || name.text == "else" || name.text == "elif")
    fail(at_line(name.line, fmt::format("'{}' has no matching statement", name.text)));
  refuse(at_line(name.line, fmt::format("the statement '{}'", name.text)));
}

Statement StatementParser::condition(int line) {
  Statement made = make_statement(Statement::Kind::condition, line);
  for (;;) {
    Statement::Branch branch;
    branch.test = expressions_.tuple(false);
    branch.body = body({"elif", "else", "endif"});
    made.branches.push_back(std::move(branch));
    if (tokens_.now().text != "elif") break;
    tokens_.next();
  }
  if (tokens_.now().text == "else") {
    tokens_.next();
    made.branches.push_back({nullptr, body({"endif"})});
  }
  finish();
  return made;
}

Statement StatementParser::loop(int line) {
  Statement made = make_statement(Statement::Kind::loop, line);
  read_targets(made, false);
  if (!tokens_.take_name("in")) tokens_.unexpected();
  made.expression = expressions_.tuple(false);
  if (tokens_.take_name("if")) made.filter = expressions_.expression();
  if (tokens_.now_is(Token::Kind::name, "recursive")) refuse(at_line(line, "a 'recursive' loop"));
  ++loops_;
  made.body = body({"else", "endfor"});
  --loops_;
  if (tokens_.now().text == "else") {
    tokens_.next();
    made.otherwise = body({"endfor"});
  }
  finish();
  return made;
}

Statement StatementParser::macro(int line) {
  Statement made = make_statement(Statement::Kind::macro, line);
  if (loops_ > 0 || enclosures_ > 0) refuse(at_line(line, "a macro that is not at the top level"));
  made.text = assignable();
  tokens_.expect_sign("(");
  while (!tokens_.now_is(Token::Kind::sign, ")")) {
    made.targets.push_back({assignable(), ""});
    if (tokens_.take_sign("="))
      made.defaults.push_back(expressions_.expression());
    else if (!made.defaults.empty())
      fail(at_line(line, "a parameter without a default after one with a default"));
    if (!tokens_.take_sign(",")) break;
  }
  tokens_.expect_sign(")");
  made.body = enclosed({"endmacro"});
  return made;
}

Statement StatementParser::assignment(int line) {
  Statement made = make_statement(Statement::Kind::assign, line);
  read_targets(made, true);
  if (tokens_.take_sign("=")) {
    made.expression = expressions_.tuple(true);
    tokens_.expect(Token::Kind::block_end);
    return made;
  }
  made.kind = Statement::Kind::capture;
  if (tokens_.now_is(Token::Kind::sign, "|")) refuse(at_line(line, "a filter on a 'set' block"));
  made.body = enclosed({"endset"});
  return made;
}

// The rest of a tag, and the statements up to one of `ends`.
std::vector<Statement> StatementParser::body(const std::vector<std::string_view>& ends) {
  tokens_.take_sign(":");
  tokens_.expect(Token::Kind::block_end);
  return statements(ends);
}

// The body of a tag with its own variables. A break inside it must not leave an outer loop.
std::vector<Statement> StatementParser::enclosed(const std::vector<std::string_view>& ends) {
  const int loops = std::exchange(loops_, 0);
  ++enclosures_;
  auto made = body(ends);
  --enclosures_;
  loops_ = loops;
  finish();
  return made;
}

// {% endfor %}; its name is the current token.
void StatementParser::finish() {
  tokens_.next();
  tokens_.expect(Token::Kind::block_end);
}

std::string StatementParser::assignable() {
  auto name = tokens_.expect(Token::Kind::name).text;
  static constexpr std::string_view kReserved[] = {"true", "false", "none",
                                                   "True", "False", "None"};
  const int line = tokens_.now().line;
  if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved))
    fail(at_line(line, fmt::format("'{}' cannot be assigned", name)));
  if (is_function(name)) refuse(at_line(line, fmt::format("assigning the function '{}'", name)));
  return name;
}

void StatementParser::read_targets(Statement& made, bool attributes) {
  do {
    if (!made.targets.empty() && tokens_.now().kind != Token::Kind::name) break;
    Statement::Target target{assignable(), ""};
    if (attributes && tokens_.take_sign("."))
      target.attribute = tokens_.expect(Token::Kind::name).text;
    made.targets.push_back(std::move(target));
    if (!tokens_.now_is(Token::Kind::sign, ",")) break;
    made.unpacked = true;
  } while (tokens_.take_sign(","));
}

}  // namespace emend::text::jinja
