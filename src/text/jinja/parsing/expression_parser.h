#pragma once

#include <set>
#include <string>

#include "text/jinja/parsing/ast.h"
#include "text/jinja/parsing/token_stream.h"

namespace emend::text::jinja {

// Parses expressions from a stream of tokens. `macros` are the names of the template's macros,
// which can be called like functions. Throws Failure with the line.
class ExpressionParser {
 public:
  ExpressionParser(TokenStream& tokens, const std::set<std::string>& macros)
      : tokens_(tokens), macros_(macros) {}

  // An expression, which may be a condition: a if b else c.
  ExpressionPtr expression();
  // One expression, or several that are separated by commas, which form a list here. For everything
  // that is allowed, Python's tuple behaves the same. Without `conditions`, the expressions are not
  // conditions: in {% for x in y if z %}, `if` belongs to the loop.
  ExpressionPtr tuple(bool conditions);

 private:
  using Kind = Expression::Kind;

  // Operators, from the weakest to the strongest: expression_parser.cpp.
  ExpressionPtr logical_or();
  ExpressionPtr logical_and();
  ExpressionPtr logical_not();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr unary(bool filters);

  // What operators are applied to: operand_parser.cpp.
  ExpressionPtr primary();
  ExpressionPtr list();
  ExpressionPtr mapping();
  ExpressionPtr named(const Token& token);
  ExpressionPtr postfix(ExpressionPtr value);
  ExpressionPtr member(ExpressionPtr value);
  ExpressionPtr subscript(ExpressionPtr value);
  ExpressionPtr filter(ExpressionPtr value);
  ExpressionPtr test(ExpressionPtr value);
  bool begins_argument() const;
  void arguments(Expression& made);

  // Nodes of the tree.
  static ExpressionPtr make(Kind kind, int line);
  ExpressionPtr joined(Kind kind, const Token& sign, ExpressionPtr left, ExpressionPtr right);
  void adopt(Expression& parent, ExpressionPtr child);
  int deeper(int depth, const Expression& child);

  TokenStream& tokens_;
  const std::set<std::string>& macros_;
};

}  // namespace emend::text::jinja
