#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emend::text::jinja {

// A token of a template.
struct Token {
  enum class Kind {
    text,          // text outside of tags
    output_begin,  // {{
    output_end,
    block_begin,  // {%
    block_end,
    name,
    string,
    integer,
    real,
    sign,  // an operator or bracket
    end,
  };
  Kind kind = Kind::end;
  std::string text;
  int line = 0;

  bool is(Kind other, std::string_view what) const { return kind == other && text == what; }
};

// Splits a template into tokens. White space around tags is removed as Jinja does with trim_blocks
// and lstrip_blocks (and by - and + in tags). Comments are dropped. The last token is `end`.
std::vector<Token> tokenize(std::string_view source);

}  // namespace emend::text::jinja
