// Compares chat templates with transformers' apply_chat_template
// (tools/reference/text/make_chat_fixtures.py), and tests how they are found, what is refused, and
// that damaged ones are harmless.
#include "text/chat_template.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;

OrderedJson fixture() {
  const auto file = fs::path(EMEND_SOURCE_DIR) / "src/text/testdata/chat.json";
  return OrderedJson::parse(read_file(file.string()));
}

constexpr const char* kDate = "2024-07-06";

std::string rendered(const std::string& text, const OrderedJson& messages = OrderedJson::array(),
                     const OrderedJson& variables = OrderedJson::object()) {
  try {
    return ChatTemplate::parse(text, "t", kDate).render(messages, variables);
  } catch (const Error& error) {
    return error.what();
  }
}

// The output of transformers, or an error where transformers raised one.
void template_agrees(const std::string& text, const OrderedJson& messages,
                     const OrderedJson& variables, const OrderedJson& expected) {
  const std::string result = rendered(text, messages, variables);
  if (expected.is_null())
    EXPECT_THAT(result, AllOf(HasSubstr("[text::chat_template] t: line "), HasSubstr(" Hint: ")))
        << text;
  else
    EXPECT_EQ(result, expected.get<std::string>()) << text;
}

TEST(ChatTemplate, AgreesWithTransformersOnWholeTemplates) {
  const auto data = fixture();
  size_t count = 0;
  for (const auto& group : data["groups"])
    for (const auto& one : group["cases"]) {
      template_agrees(group["template"], one["messages"], one["variables"], one["text"]);
      ++count;
    }
  EXPECT_GT(count, 100u);
}

TEST(ChatTemplate, AgreesWithTransformersOnExpressions) {
  const auto data = fixture();
  std::vector<std::string> refused;
  for (const auto& piece : data["small"]) {
    const auto text = piece[0].get<std::string>();
    if (rendered(text, data["messages"], data["variables"]).find("not implemented") !=
        std::string::npos)
      refused.push_back(text);
    else
      template_agrees(text, data["messages"], data["variables"], piece[1]);
  }
  EXPECT_GT(data["small"].size(), 300u);
  // These are refused here, but not in Python: lists as text, members that are not called, ...
  EXPECT_THAT(refused, ElementsAre("{{ s.split() }}", "{{ 1e3 }}", "{{ 1_000 + 1 }}",
                                   "{{ {'x': 1}['items'] is defined }}",
                                   "{{ {'x': 1}.items is defined }}", "{{ s.format is defined }}",
                                   "{{ n.real }}", "{{ d.keys is defined }}", "{{ '%s' % n }}",
                                   "{% for x in l %}{% macro f() %}{% endmacro %}{% endfor %}",
                                   "{{ n is callable }}{{ n(1) }}"));
}

TEST(ChatTemplate, NamesWhatIsNotImplementedWithItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n{% call f(x) %}{% endcall %}", "line 2: the statement 'call'"},
      {"{% for x in y %}{% macro f(x) %}{% endmacro %}{% endfor %}", "not at the top level"},
      {"{% macro f(x) %}{{ caller() }}{% endmacro %}", "line 1: the function 'caller'"},
      {"{% macro f(x) %}{{ kwargs }}{% endmacro %}", "line 1: the name 'kwargs'"},
      {"{% macro f(x) %}{% endmacro %}{{ f }}", "line 1: a function as text"},
      {"{% include 'x' %}", "line 1: the statement 'include'"},
      {"{% raw %}{{ x }}{% endraw %}", "line 1: the statement 'raw'"},
      {"a\nb\n{{ x|dictsort }}", "line 3: the filter 'dictsort'"},
      {"{{ x is escaped }}", "line 1: the test 'escaped'"},
      {"{{ 'x'.format(1) }}", "line 1: the method 'format'"},
      {"{{ loop.cycle('a') }}", "line 1: the method 'cycle'"},
      {"{{ strftime_now('%c') }}", "line 1: '%c' in a date format"},
      {"{{ strftime_now('a%') }}", "line 1: '%' in a date format"},
      {"{% set range = 1 %}", "line 1: assigning the function 'range'"},
      {"{{ f(1) }}", "line 1: the function 'f'"},
      {"{{ x.f(1)(2) }}", "line 1: the method 'f'"},
      {"{{ 2 ** 3 }}", "'**'"},
      {"{{ 1 < 2 < 3 }}", "a chain of comparisons"},
      {"{% for x in y recursive %}{% endfor %}", "'recursive'"},
      {"{% set x | upper %}a{% endset %}", "a filter on a 'set' block"},
      {"{{ range(*x) }}", "argument unpacking by '*'"},
      {"{{ [1, 2] }}", "line 1: a list as text"},
      {"{{ {} }}", "line 1: a mapping as text"},
      {"{{ 'é'.upper() }}", "beyond ASCII"},
      {"{{ x.items }}{% set x = {} %}{{ x.items }}", "is undefined"},
      {"{% set x = {} %}\n{{ x.items }}", "line 2: the member 'items' of a mapping"},
      {"{{ 'a'.title }}", "line 1: the member 'title' of a string"},
      {"{{ [1]|tojson(sort_keys=true) }}", "'sort_keys'"},
      {"{{ 99999999999999999999 }}", "99999999999999999999"},
      {"{{ 9223372036854775807 + 1 }}", "more than 64 bits"},
      {"{% set n = namespace() %}{% set m = [n] %}", "a namespace within another value"},
  };
  for (const auto& [text, named] : cases) EXPECT_THAT(rendered(text), HasSubstr(named)) << text;
}

TEST(ChatTemplate, NamesSyntaxErrors) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ x", "line 1: a tag is not closed"},
      {"{# x", "line 1: a comment is not closed"},
      {"{% if x %}", "the template ends where 'endif' is expected"},
      {"{% endif %}", "'endif' has no matching"},
      {"{% if x %}{% endfor %}", "'endfor' has no matching"},
      {"{{ }}", "'}}' is unexpected"},
      {"{{ (1 }}", "'}' has no opening"},
      {"{{ 'a }}", "a string is not closed"},
      {"{{ ? }}", "the character '?' is unexpected"},
      {"{{ 'a' 1 }}", "'1' is unexpected"},
      {"{{ '\\ud800' }}", "not a valid character"},
      {"{% break %}", "'break' outside of a loop"},
      {"{% macro f(a=1, b) %}{% endmacro %}", "without a default after one with a default"},
      {"{% macro f(a) %}", "the template ends where 'endmacro' is expected"},
      {"{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "takes 1 arguments, not 2"},
      {"{% macro f(a) %}{% endmacro %}{{ f(b=2) }}", "has no parameter 'b'"},
      {"{{ f(1) }}{% macro f(a) %}{% endmacro %}", "'f' is undefined, not a function"},
      {"{% set true = 1 %}", "'true' cannot be assigned"},
      {"\xff", "not UTF-8"},
  };
  for (const auto& [text, named] : cases) EXPECT_THAT(rendered(text), HasSubstr(named)) << text;
  EXPECT_THAT(rendered("x", OrderedJson::object()), HasSubstr("should be a list"));
  EXPECT_THAT(rendered("x", OrderedJson::array(), OrderedJson::array()),
              HasSubstr("should be an object"));
  EXPECT_THAT(rendered("x", OrderedJson::array({"\xff"})), HasSubstr("not UTF-8"));
  EXPECT_THAT(rendered("\n{{ raise_exception('No system here') }}"),
              HasSubstr("line 2: the template refuses these messages: No system here"));
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(ChatTemplate, LimitsTheWorkOfEveryTemplate) {
  const std::clock_t start = std::clock();
  const std::string loops = repeated("{% for a in range(1000) %}", 6) + repeated("{% endfor %}", 6);
  EXPECT_THAT(rendered(loops), HasSubstr("runs too long"));
  const std::string grows =
      "{% set n = namespace(s='ab', l=[1]) %}{% for i in range(100) %}{% set n.s = n.s + n.s %}";
  EXPECT_THAT(rendered(grows + "{% endfor %}"), HasSubstr("runs too long"));
  EXPECT_THAT(rendered("{% set n = namespace(l=[1]) %}{% for i in range(100) %}"
                       "{% set n.l = n.l + n.l %}{% endfor %}"),
              HasSubstr("runs too long"));
  EXPECT_THAT(rendered("{% set n = namespace(l=[1]) %}{% for i in range(1000) %}"
                       "{% set n.l = [n.l] %}{% endfor %}"),
              HasSubstr("nested more than 100 deep"));
  // Shared values are cheap to make, but writing or comparing them would not end.
  const std::string shared =
      "{% set n = namespace(l=[1], m=[1]) %}{% for i in range(60) %}"
      "{% set n.l = [n.l, n.l] %}{% set n.m = [n.m, n.m] %}{% endfor %}";
  EXPECT_THAT(rendered(shared + "{{ n.l|tojson }}"), HasSubstr("runs too long"));
  EXPECT_THAT(rendered(shared + "{{ n.l == n.m }}"), HasSubstr("runs too long"));
  EXPECT_THAT(rendered("{{ 'x' * 999999999999 }}"), HasSubstr("runs too long"));
  EXPECT_THAT(rendered("{{ '' * 999999999999 }}"), HasSubstr("runs too long"));
  EXPECT_THAT(rendered("{{ range(1000000)|length }}"), HasSubstr("too long"));
  for (const char* open : {"(", "[", "{'a': ", "not ", "-", "x[", "x if "})
    EXPECT_THAT(rendered("{{ " + repeated(open, 5000)), HasSubstr("line 1: ")) << open;
  for (const char* link : {"+ 1", ".a", "|trim", "and x", "is defined", "[0]"})
    EXPECT_THAT(rendered("{{ x " + repeated(link, 5000) + " }}"), HasSubstr("line 1: ")) << link;
  EXPECT_THAT(rendered(repeated("{% if x %}", 5000)), HasSubstr("nested too deep"));
  EXPECT_THAT(rendered("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(rendered("{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}"
                       "{% endmacro %}{{ f(40) }}"),
              HasSubstr("runs too long"));
  EXPECT_EQ(rendered("{% if x %}" + repeated("{% elif x %}", 5000) + "{% else %}b{% endif %}"),
            "b");
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 60);
}

// Each damaged or shuffled template is rendered or refused.
TEST(ChatTemplate, SurvivesDamage) {
  const auto data = fixture();
  std::vector<std::string> sound;
  for (const auto& group : data["groups"]) sound.push_back(group["template"]);
  for (const auto& piece : data["small"]) sound.push_back(piece[0]);
  static const char* const kBits[] = {"{{",
                                      "}}",
                                      "{%",
                                      "%}",
                                      "{#",
                                      "#}",
                                      "-",
                                      "+",
                                      "(",
                                      ")",
                                      "[",
                                      "]",
                                      "{",
                                      "}",
                                      "'",
                                      "\"",
                                      "\\",
                                      " if ",
                                      " else ",
                                      " for ",
                                      " in ",
                                      " is ",
                                      " not ",
                                      ".",
                                      "|",
                                      "~",
                                      ",",
                                      ":",
                                      "=",
                                      "==",
                                      "0",
                                      "-1",
                                      "99999999999",
                                      "none",
                                      "loop",
                                      "messages",
                                      "\n",
                                      "{% endfor %}",
                                      "{% endif %}",
                                      "{% for x in messages %}",
                                      "{% set x = messages %}",
                                      "|list",
                                      "|tojson",
                                      "|join",
                                      ".items()",
                                      "range(9)",
                                      "namespace()",
                                      "strftime_now('%d')",
                                      "{% macro f(x) %}",
                                      "{% endmacro %}",
                                      "f(1)",
                                      "\xc3",
                                      "\xff"};
  std::mt19937 rng(11);
  auto below = [&](size_t n) { return static_cast<size_t>(rng() % std::max<size_t>(n, 1)); };
  int fine = 0, refused = 0;
  const auto& cases = data["groups"][5]["cases"];
  for (int round = 0; round < 20000; ++round) {
    std::string text = sound[round % 3 ? below(sound.size()) : below(data["groups"].size())];
    for (size_t i = 0, count = 1 + below(3); i < count; ++i) {
      const size_t at = below(text.size() + 1);
      switch (below(4)) {
        case 0:
          text.insert(at, kBits[below(std::size(kBits))]);
          break;
        case 1:
          text.erase(at, 1 + below(6));
          break;
        case 2:
          text.insert(at, text.substr(below(text.size() + 1), below(40)));
          break;
        default: {
          const std::string& other = sound[below(sound.size())];
          text.insert(at, other.substr(below(other.size() + 1), below(40)));
        }
      }
    }
    try {
      ChatTemplate::parse(text).render(cases[below(cases.size())]["messages"], data["variables"]);
      ++fine;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(fine, 2000);
  EXPECT_GT(refused, 2000);
}

TEST(ChatTemplate, GivesTheDate) {
  EXPECT_EQ(rendered("{{ strftime_now('%d %b %Y, %A %j %H:%M') }}"),
            "06 Jul 2024, Saturday 188 00:00");
  const auto today = ChatTemplate::parse("{{ strftime_now('%Y') }}").render(OrderedJson::array());
  EXPECT_GE(std::stoi(today), 2024);
  EXPECT_TRUE(ChatTemplate::parse("{% if strftime_now is defined %}{% endif %}").uses_date());
  EXPECT_FALSE(ChatTemplate::parse("{{ date_string }}").uses_date());
  for (const char* date : {"yesterday", "2024-02-30", "2024-13-01", "2024-01-01x", "2024"})
    EXPECT_THROW(ChatTemplate::parse("x", "t", date), Error) << date;
}

class Folder {
 public:
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
  }
  std::string render() const {
    try {
      const auto found = ChatTemplate::load(folder_.path());
      return found ? found->render(OrderedJson::array(), {{"eos_token", "!"}}) : "nothing";
    } catch (const Error& error) {
      return error.what();
    }
  }

 private:
  TemporaryFolder folder_;
};

TEST(ChatTemplate, IsFoundInAFolder) {
  const Folder folder;
  EXPECT_EQ(folder.render(), "nothing");
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_EQ(folder.render(), "nothing");
  folder.write("tokenizer_config.json",
               R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null,
                   "extra_special_tokens": {"image_token": "<image>"},
                   "chat_template": "{{ bos_token + eos_token + image_token }}{{ pad_token }}"})");
  EXPECT_EQ(folder.render(), "<s>!<image>");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"},
                                            {"name": "default", "template": "d"}]})");
  EXPECT_EQ(folder.render(), "d");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
  EXPECT_THAT(folder.render(), HasSubstr("(rag) is named 'default'"));
  folder.write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THAT(folder.render(), HasSubstr("should be a string or a list"));
  folder.write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(folder.render(), "json");
  folder.write("chat_template.json", R"({"template": "json"})");
  EXPECT_THAT(folder.render(), HasSubstr("should be a string or a list"));
  folder.write("chat_template.jinja", "jinja\n{{ x| }}");
  EXPECT_THAT(folder.render(), HasSubstr("chat_template.jinja: line 2: '}}' is unexpected"));
}

}  // namespace
}  // namespace emend
