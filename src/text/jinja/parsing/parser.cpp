#include "text/jinja/parsing/parser.h"

#include <set>
#include <string>

#include "text/jinja/parsing/lexer.h"
#include "text/jinja/parsing/statement_parser.h"
#include "text/jinja/parsing/token_stream.h"

namespace emend::text::jinja {
namespace {

// The macros of the whole template, which can be called before they are defined.
std::set<std::string> macro_names(const std::vector<Token>& tokens) {
  std::set<std::string> names;
  for (size_t i = 0; i + 2 < tokens.size(); ++i)
    if (tokens[i].kind == Token::Kind::block_begin && tokens[i + 1].is(Token::Kind::name, "macro"))
      names.insert(tokens[i + 2].text);
  return names;
}

}  // namespace

std::vector<Statement> parse(std::string_view source) {
  auto all = tokenize(source);
  const auto macros = macro_names(all);
  TokenStream tokens(std::move(all));
  auto statements = StatementParser(tokens, macros).statements({});
  if (tokens.now().kind != Token::Kind::end) tokens.unexpected();
  return statements;
}

}  // namespace emend::text::jinja
