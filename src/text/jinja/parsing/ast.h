#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// An expression, and below it those that it is made of.
struct Expression {
  enum class Kind {
    constant,     // value
    variable,     // name
    list,         // parts
    map,          // parts: key, value, key, value, ...
    attribute,    // parts[0].name
    item,         // parts[0][parts[1]]
    slice,        // null if omitted
    call,         // name(parts, named): a function or a macro
    method,       // parts[0].name(parts[1], ...)
    filter,       // parts[0] | name(parts[1], ..., named)
    test,         // parts[0] is name(parts[1], ...)
    negate,       // -parts[0]
    logical_not,  // not parts[0]
    logical_and,
    logical_or,
    compare,   // parts[0] name parts[1]; a chain becomes several with `and`
    binary,    // parts[0] name parts[1]
    concat,    // parts[0] ~ parts[1] ~ ...
    condition  // parts[1] if parts[0] else parts[2] (null: undefined)
  };
  Kind kind;
  int line;
  std::string name;
  Value value;
  std::vector<ExpressionPtr> parts;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  int depth = 1;
};

// A part of a template.
struct Statement {
  enum class Kind {
    text,    // text
    output,  // expression
    condition,
    loop,
    assign,    // targets = expression
    capture,   // targets = output of the body
    enclosed,  // body with its own variables
    macro,     // text is its name, targets its parameters, defaults their defaults
    loop_continue,
    loop_break
  };
  struct Target {
    std::string name;
    std::string attribute;  // attribute of a namespace; empty: none
  };
  struct Branch {
    ExpressionPtr test;  // null: else
    std::vector<Statement> body;
  };
  Kind kind;
  int line;
  std::string text;
  ExpressionPtr expression;
  ExpressionPtr filter;  // filter of a loop; may be null
  std::vector<Target> targets;
  std::vector<ExpressionPtr> defaults;  // defaults of the last parameters of a macro
  bool unpacked = false;                // targets are assigned the items of a list
  std::vector<Branch> branches;
  std::vector<Statement> body, otherwise;  // otherwise: else branch of a loop
};

}  // namespace emend::text::jinja
