#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/parsing/ast.h"
#include "text/jinja/parsing/expression_parser.h"
#include "text/jinja/parsing/token_stream.h"

namespace emend::text::jinja {

// Parses the statements of a template: text, {{ ... }} and {% ... %}. `macros` are the names of all
// macros of the template. Throws Failure with the line.
class StatementParser {
 public:
  StatementParser(TokenStream& tokens, const std::set<std::string>& macros)
      : tokens_(tokens), expressions_(tokens, macros) {}

  // Parses statements up to a tag that begins with one of `ends`, whose name is then the current
  // token; without `ends`, up to the end of the template.
  std::vector<Statement> statements(const std::vector<std::string_view>& ends);

 private:
  using Statements = std::vector<Statement>;

  Statement statement();
  Statement condition(int line);
  Statement loop(int line);
  Statement macro(int line);
  Statement assignment(int line);

  Statements body(const std::vector<std::string_view>& ends);
  Statements enclosed(const std::vector<std::string_view>& ends);
  void finish();

  std::string assignable();
  void read_targets(Statement& made, bool attributes);

  TokenStream& tokens_;
  ExpressionParser expressions_;
  int loops_ = 0, enclosures_ = 0;  // around the current token
};

}  // namespace emend::text::jinja
