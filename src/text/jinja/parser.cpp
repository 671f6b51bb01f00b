#include "text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "text/jinja/lexer.h"
#include "text/jinja/library.h"

namespace emend::text::jinja {
namespace {

constexpr int kMaxParseDepth = 100;
using Kind = Expression::Kind;
using Statements = std::vector<Statement>;

// Names that Jinja defines. They are not implemented, and must not be treated as undefined.
constexpr std::string_view kForeign[] = {"dict",  "lipsum", "cycler",  "joiner", "self",
                                         "super", "caller", "varargs", "kwargs"};

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Statements run() {
    for (size_t i = 0; i + 2 < tokens_.size(); ++i)
      if (tokens_[i].kind == Token::Kind::block_begin &&
          tokens_[i + 1].is(Token::Kind::name, "macro"))
        macros_.insert(tokens_[i + 2].text);
    Statements all = statements({});
    if (now().kind != Token::Kind::end) unexpected();
    return all;
  }

 private:
  // Parses statements up to a tag that begins with one of `ends`, whose name is then the current
  // token.
  Statements statements(const std::vector<std::string_view>& ends) {
    const Deeper deeper(*this);
    Statements all;
    while (now().kind != Token::Kind::end) {
      const int line = now().line;
      if (now().kind == Token::Kind::text) {
        all.push_back(make(Statement::Kind::text, line));
        all.back().text = next().text;
      } else if (now().kind == Token::Kind::output_begin) {
        next();
        all.push_back(make(Statement::Kind::output, line));
        all.back().expression = tuple(true);
        expect(Token::Kind::output_end);
      } else {
        expect(Token::Kind::block_begin);
        if (now().kind != Token::Kind::name) unexpected();
        if (std::find(ends.begin(), ends.end(), now().text) != ends.end()) return all;
        all.push_back(statement());
      }
    }
    if (!ends.empty()) fail(fmt::format("the template ends where '{}' is expected", ends.back()));
    return all;
  }

  Statement statement() {
    const Token name = next();
    if (name.text == "if") return condition(name.line);
    if (name.text == "for") return loop(name.line);
    if (name.text == "set") return assignment(name.line);
    if (name.text == "macro") return macro(name.line);
    if (name.text == "generation") {  // transformers' mark of the assistant's text
      Statement made = make(Statement::Kind::enclosed, name.line);
      made.body = enclosed({"endgeneration"});
      return made;
    }
    if (name.text == "break" || name.text == "continue") {
      if (loops_ == 0) fail(at(name.line, fmt::format("'{}' outside of a loop", name.text)));
      expect(Token::Kind::block_end);
      return make(name.text == "break" ? Statement::Kind::leave : Statement::Kind::go_on,
                  name.line);
    }
    if (name.text.rfind("end", 0) == 0 || name.text == "else" || name.text == "elif")
      fail(at(name.line, fmt::format("'{}' has no matching statement", name.text)));
    refuse(at(name.line, fmt::format("the statement '{}'", name.text)));
  }

  // The rest of a tag, and the statements up to one of `ends`.
  Statements body(const std::vector<std::string_view>& ends) {
    if (now().is(Token::Kind::sign, ":")) next();
    expect(Token::Kind::block_end);
    return statements(ends);
  }
  void finish() {  // {% endfor %}; its name is the current token
    next();
    expect(Token::Kind::block_end);
  }

  Statement condition(int line) {
    Statement made = make(Statement::Kind::condition, line);
    for (;;) {
      Statement::Branch branch;
      branch.test = tuple(false);
      branch.body = body({"elif", "else", "endif"});
      made.branches.push_back(std::move(branch));
      if (now().text != "elif") break;
      next();
    }
    if (now().text == "else") {
      next();
      made.branches.push_back({nullptr, body({"endif"})});
    }
    finish();
    return made;
  }

  Statement loop(int line) {
    Statement made = make(Statement::Kind::loop, line);
    read_targets(made, false);
    if (!take_name("in")) unexpected();
    made.expression = tuple(false);
    if (take_name("if")) made.filter = expression();
    if (now().is(Token::Kind::name, "recursive")) refuse(at(line, "a 'recursive' loop"));
    ++loops_;
    made.body = body({"else", "endfor"});
    --loops_;
    if (now().text == "else") {
      next();
      made.otherwise = body({"endfor"});
    }
    finish();
    return made;
  }

  Statement macro(int line) {
    Statement made = make(Statement::Kind::macro, line);
    if (loops_ > 0 || enclosures_ > 0) refuse(at(line, "a macro that is not at the top level"));
    made.text = assignable();
    expect_sign("(");
    while (!now().is(Token::Kind::sign, ")")) {
      made.targets.push_back({assignable(), ""});
      if (take_sign("="))
        made.defaults.push_back(expression());
      else if (!made.defaults.empty())
        fail(at(line, "a parameter without a default after one with a default"));
      if (!take_sign(",")) break;
    }
    expect_sign(")");
    made.body = enclosed({"endmacro"});
    return made;
  }

  // The body of a tag with its own variables. A break inside it must not leave an outer loop.
  Statements enclosed(const std::vector<std::string_view>& ends) {
    const int loops = std::exchange(loops_, 0);
    ++enclosures_;
    auto made = body(ends);
    --enclosures_;
    loops_ = loops;
    finish();
    return made;
  }

  Statement assignment(int line) {
    Statement made = make(Statement::Kind::assign, line);
    read_targets(made, true);
    if (take_sign("=")) {
      made.expression = tuple(true);
      expect(Token::Kind::block_end);
      return made;
    }
    made.kind = Statement::Kind::capture;
    if (now().is(Token::Kind::sign, "|")) refuse(at(line, "a filter on a 'set' block"));
    made.body = enclosed({"endset"});
    return made;
  }

  std::string assignable() {
    auto name = expect(Token::Kind::name).text;
    static constexpr std::string_view kReserved[] = {"true", "false", "none",
                                                     "True", "False", "None"};
    if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved))
      fail(at(now().line, fmt::format("'{}' cannot be assigned", name)));
    if (is_function(name)) refuse(at(now().line, fmt::format("assigning the function '{}'", name)));
    return name;
  }

  void read_targets(Statement& made, bool attributes) {
    do {
      if (!made.targets.empty() && now().kind != Token::Kind::name) break;
      Statement::Target target{assignable(), ""};
      if (attributes && take_sign(".")) target.attribute = expect(Token::Kind::name).text;
      made.targets.push_back(std::move(target));
      if (!now().is(Token::Kind::sign, ",")) break;
      made.unpacked = true;
    } while (take_sign(","));
  }

  // Expressions separated by commas form a list here. For everything that is allowed, Python's
  // tuple behaves the same.
  ExpressionPtr tuple(bool conditions) {
    const int line = now().line;
    auto first = conditions ? expression() : logical_or();
    if (!now().is(Token::Kind::sign, ",")) return first;
    auto list = make(Kind::list, line);
    adopt(*list, std::move(first));
    while (take_sign(",")) {
      if (now().kind == Token::Kind::output_end || now().kind == Token::Kind::block_end ||
          now().is(Token::Kind::sign, ")"))
        break;
      adopt(*list, conditions ? expression() : logical_or());
    }
    return list;
  }

  ExpressionPtr expression() {
    const Deeper deeper(*this);
    auto value = logical_or();
    while (now().is(Token::Kind::name, "if")) {
      auto made = make(Kind::condition, next().line);
      auto test = logical_or();
      adopt(*made, std::move(test));
      adopt(*made, std::move(value));
      adopt(*made, take_name("else") ? expression() : nullptr);
      value = std::move(made);
    }
    return value;
  }

  ExpressionPtr logical_or() {
    auto left = logical_and();
    while (now().is(Token::Kind::name, "or"))
      left = joined(Kind::logical_or, std::move(left), [&] { return logical_and(); });
    return left;
  }

  ExpressionPtr logical_and() {
    auto left = logical_not();
    while (now().is(Token::Kind::name, "and"))
      left = joined(Kind::logical_and, std::move(left), [&] { return logical_not(); });
    return left;
  }

  ExpressionPtr logical_not() {
    const Deeper deeper(*this);
    if (!now().is(Token::Kind::name, "not")) return comparison();
    auto made = make(Kind::logical_not, next().line);
    adopt(*made, logical_not());
    return made;
  }

  ExpressionPtr comparison() {
    auto left = sum();
    static constexpr std::string_view kSigns[] = {"==", "!=", "<", ">", "<=", ">="};
    auto read = [&]() -> std::optional<Token> {
      if (now().kind == Token::Kind::sign &&
          std::find(std::begin(kSigns), std::end(kSigns), now().text) != std::end(kSigns))
        return next();
      if (now().is(Token::Kind::name, "in")) return next();
      if (now().is(Token::Kind::name, "not") && peek().is(Token::Kind::name, "in")) {
        Token token = next();
        next();
        token.text = "not in";
        return token;
      }
      return std::nullopt;
    };
    const auto sign = read();
    if (!sign) return left;
    auto made = joined(Kind::compare, *sign, std::move(left), sum());
    if (const auto more = read()) refuse(at(more->line, "a chain of comparisons"));
    return made;
  }

  ExpressionPtr sum() {
    auto left = concatenation();
    while (now().is(Token::Kind::sign, "+") || now().is(Token::Kind::sign, "-"))
      left = joined(Kind::binary, std::move(left), [&] { return concatenation(); });
    return left;
  }

  ExpressionPtr concatenation() {
    auto first = product();
    if (!now().is(Token::Kind::sign, "~")) return first;
    auto made = make(Kind::concat, now().line);
    adopt(*made, std::move(first));
    while (take_sign("~")) adopt(*made, product());
    return made;
  }

  ExpressionPtr product() {
    auto left = unary(true);
    for (;;) {
      if (now().is(Token::Kind::sign, "**")) refuse(at(now().line, "the operator '**'"));
      if (!now().is(Token::Kind::sign, "*") && !now().is(Token::Kind::sign, "/") &&
          !now().is(Token::Kind::sign, "//") && !now().is(Token::Kind::sign, "%"))
        return left;
      left = joined(Kind::binary, std::move(left), [&] { return unary(true); });
    }
  }

  ExpressionPtr unary(bool filters) {
    const Deeper deeper(*this);
    ExpressionPtr made;
    if (now().is(Token::Kind::sign, "-") || now().is(Token::Kind::sign, "+")) {
      const Token sign = next();
      if (sign.text == "+") refuse(at(sign.line, "the unary '+'"));
      made = make(Kind::negate, sign.line);
      adopt(*made, unary(false));
    } else {
      made = primary();
    }
    made = postfix(std::move(made));
    while (filters) {
      if (now().is(Token::Kind::sign, "|"))
        made = filter(std::move(made));
      else if (now().is(Token::Kind::name, "is"))
        made = test(std::move(made));
      else
        break;
    }
    return made;
  }

  ExpressionPtr primary() {
    const Token token = next();
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
        while (now().kind == Token::Kind::string) text += next().text;
        made->value = Value(std::move(text));
        return made;
      }
      case Token::Kind::integer:
        made->value = Value(integer(token));
        return made;
      case Token::Kind::real: {
        double real = 0;
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), real);
        made->value = Value(real);
        return made;
      }
      default:
        break;
    }
    if (token.is(Token::Kind::sign, "(")) {
      if (now().is(Token::Kind::sign, ")")) {
        next();
        made->kind = Kind::list;
        return made;
      }
      auto inner = tuple(true);
      expect_sign(")");
      return inner;
    }
    if (token.is(Token::Kind::sign, "[")) {
      made->kind = Kind::list;
      while (!now().is(Token::Kind::sign, "]")) {
        adopt(*made, expression());
        if (!take_sign(",")) break;
      }
      expect_sign("]");
      return made;
    }
    if (token.is(Token::Kind::sign, "{")) {
      made->kind = Kind::map;
      while (!now().is(Token::Kind::sign, "}")) {
        adopt(*made, expression());
        expect_sign(":");
        adopt(*made, expression());
        if (!take_sign(",")) break;
      }
      expect_sign("}");
      return made;
    }
    --at_;
    unexpected();
  }

  ExpressionPtr named(const Token& token) {
    const bool called = now().is(Token::Kind::sign, "(");
    if (std::find(std::begin(kForeign), std::end(kForeign), token.text) != std::end(kForeign) ||
        (called && !is_function(token.text) && macros_.count(token.text) == 0))
      refuse(
          at(token.line, fmt::format("{} '{}'", called ? "the function" : "the name", token.text)));
    auto made = make(called ? Kind::call : Kind::variable, token.line);
    made->name = token.text;
    if (called) arguments(*made);
    return made;
  }

  ExpressionPtr postfix(ExpressionPtr value) {
    for (;;) {
      if (now().is(Token::Kind::sign, ".")) {
        next();
        const Token name = next();
        if (name.kind == Token::Kind::integer) {
          auto index = make(Kind::constant, name.line);
          index->value = Value(integer(name));
          value = joined(Kind::item, name, std::move(value), std::move(index));
          continue;
        }
        if (name.kind != Token::Kind::name) {
          --at_;
          unexpected();
        }
        const bool called = now().is(Token::Kind::sign, "(");
        if (called && !is_method(name.text))
          refuse(at(name.line, fmt::format("the method '{}'", name.text)));
        auto made = make(called ? Kind::method : Kind::attribute, name.line);
        made->name = name.text;
        adopt(*made, std::move(value));
        if (called) arguments(*made);
        value = std::move(made);
      } else if (now().is(Token::Kind::sign, "[")) {
        value = subscript(std::move(value));
      } else if (now().is(Token::Kind::sign, "(")) {
        refuse(at(now().line, "calling a value"));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr subscript(ExpressionPtr value) {
    auto made = make(Kind::item, next().line);
    adopt(*made, std::move(value));
    auto part = [&]() -> ExpressionPtr {
      return now().is(Token::Kind::sign, ":") || now().is(Token::Kind::sign, "]") ? nullptr
                                                                                  : expression();
    };
    auto first = part();
    if (!first && now().is(Token::Kind::sign, "]")) unexpected();
    adopt(*made, std::move(first));
    if (now().is(Token::Kind::sign, ":")) {
      made->kind = Kind::slice;
      for (int i = 0; i < 2; ++i) adopt(*made, take_sign(":") ? part() : nullptr);
    }
    expect_sign("]");
    return made;
  }

  ExpressionPtr filter(ExpressionPtr value) {
    next();
    const Token name = expect(Token::Kind::name);
    if (!is_filter(name.text)) refuse(at(name.line, fmt::format("the filter '{}'", name.text)));
    auto made = make(Kind::filter, name.line);
    made->name = name.text;
    adopt(*made, std::move(value));
    if (now().is(Token::Kind::sign, "(")) arguments(*made);
    return made;
  }

  ExpressionPtr test(ExpressionPtr value) {
    next();
    const bool negated = take_name("not");
    const Token name = expect(Token::Kind::name);
    if (!is_test(name.text)) refuse(at(name.line, fmt::format("the test '{}'", name.text)));
    auto made = make(Kind::test, name.line);
    made->name = name.text;
    adopt(*made, std::move(value));
    if (now().is(Token::Kind::sign, "(")) {
      arguments(*made);
    } else if (begins_argument()) {
      adopt(*made, postfix(primary()));
    }
    if (!negated) return made;
    auto turned = make(Kind::logical_not, name.line);
    adopt(*turned, std::move(made));
    return turned;
  }

  // Whether the argument of a test follows without parentheses: x is equalto 'y'.
  bool begins_argument() const {
    const Token& token = now();
    if (token.kind == Token::Kind::name)
      return token.text != "else" && token.text != "or" && token.text != "and";
    return token.kind == Token::Kind::string || token.kind == Token::Kind::integer ||
           token.kind == Token::Kind::real || token.is(Token::Kind::sign, "[") ||
           token.is(Token::Kind::sign, "{");
  }

  void arguments(Expression& made) {
    expect_sign("(");
    while (!now().is(Token::Kind::sign, ")")) {
      if (now().is(Token::Kind::sign, "*") || now().is(Token::Kind::sign, "**"))
        refuse(at(now().line, "argument unpacking by '*'"));
      if (now().kind == Token::Kind::name && peek().is(Token::Kind::sign, "=")) {
        const std::string name = next().text;
        next();
        auto value = expression();
        made.depth = deeper(made.depth, *value);
        made.named.emplace_back(name, std::move(value));
      } else {
        if (!made.named.empty()) unexpected();
        adopt(made, expression());
      }
      if (!take_sign(",")) break;
    }
    expect_sign(")");
  }

  // The current operator, and the operand that `read` parses after it.
  template <typename Read>
  ExpressionPtr joined(Kind kind, ExpressionPtr left, Read read) {
    const Token sign = next();
    return joined(kind, sign, std::move(left), read());
  }
  ExpressionPtr joined(Kind kind, const Token& sign, ExpressionPtr left, ExpressionPtr right) {
    auto made = make(kind, sign.line);
    made->name = sign.text;
    adopt(*made, std::move(left));
    adopt(*made, std::move(right));
    return made;
  }

  void adopt(Expression& parent, ExpressionPtr child) {
    if (child) parent.depth = deeper(parent.depth, *child);
    parent.parts.push_back(std::move(child));
  }
  // Long chains (a + a + ...) make deep trees without nesting.
  int deeper(int depth, const Expression& child) {
    if (child.depth >= 3 * kMaxParseDepth) too_deep();
    return std::max(depth, child.depth + 1);
  }

  static ExpressionPtr make(Kind kind, int line) {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->line = line;
    return made;
  }
  static Statement make(Statement::Kind kind, int line) {
    Statement made{};
    made.kind = kind;
    made.line = line;
    return made;
  }

  int64_t integer(const Token& token) {
    int64_t value = 0;
    const auto end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, value).ec != std::errc())
      refuse(at(token.line, fmt::format("the number '{}'", token.text)));
    return value;
  }

  struct Deeper {
    explicit Deeper(Parser& parser) : parser(parser) {
      if (++parser.depth_ > 4 * kMaxParseDepth) parser.too_deep();
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };
  [[noreturn]] void too_deep() { fail(at(now().line, "the template is nested too deeply")); }

  const Token& now() const { return tokens_[at_]; }
  const Token& peek() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token next() {
    Token token = now();
    if (at_ + 1 < tokens_.size())
      ++at_;
    else
      unexpected();
    return token;
  }
  bool take_sign(std::string_view sign) {
    const bool there = now().is(Token::Kind::sign, sign);
    if (there) next();
    return there;
  }
  bool take_name(std::string_view name) {
    const bool there = now().is(Token::Kind::name, name);
    if (there) next();
    return there;
  }
  Token expect(Token::Kind kind) {
    if (now().kind != kind) unexpected();
    return next();
  }
  void expect_sign(std::string_view sign) {
    if (!take_sign(sign)) unexpected();
  }
  static std::string at(int line, std::string_view what) {
    return fmt::format("line {}: {}", line, what);
  }
  [[noreturn]] void unexpected() const {
    fail(at(now().line, now().kind == Token::Kind::end
                            ? "the template ends too early"
                            : fmt::format("'{}' is unexpected", now().text)));
  }

  std::vector<Token> tokens_;
  std::set<std::string> macros_;  // macros of the whole template
  size_t at_ = 0;
  int depth_ = 0, loops_ = 0, enclosures_ = 0;
};

}  // namespace

std::vector<Statement> parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace emend::text::jinja
