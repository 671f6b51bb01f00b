#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emend::text::jinja {

struct Token {
  enum class Kind {
    text,          // what stands outside tags
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

// A template as tokens, white space around tags removed as Jinja does with trim_blocks and
// lstrip_blocks on (and by - and + in tags). Comments are left out. The last token is an end.
std::vector<Token> tokenize(std::string_view source);

}  // namespace emend::text::jinja
