#include "io/json/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    return "read: " + parse_yaml(text, "some.yaml").dump();
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(YamlTest, ReadsSettings) {
  auto read = parse_yaml(R"(# a comment
steps: 25
lr: 5e-4          # YAML 1.1 makes text of this
small: 1.5
plus: +3
minus: -.5
big: 123456789012345678901234567890
on: true
off: False
nothing: null
empty:
tilde: ~
text: model.layers.{}.mlp
quoted: "5e-4"
single: 'true'
version: 1.2.3
date: 2024-05-01
range: 5-3
dash: "-"
list: [29, 30, q_proj]
ft:language:
  module: language
  deep:
    - 1
    - a: b
)",
                         "some.yaml");
  EXPECT_EQ(read, json::parse(R"({
    "steps": 25, "lr": 5e-4, "small": 1.5, "plus": 3, "minus": -0.5,
    "big": 123456789012345678901234567890, "on": true, "off": false, "nothing": null,
    "empty": null, "tilde": null, "text": "model.layers.{}.mlp", "quoted": "5e-4",
    "single": "true", "version": "1.2.3", "date": "2024-05-01", "range": "5-3", "dash": "-",
    "list": [29, 30, "q_proj"],
    "ft:language": {"module": "language", "deep": [1, {"a": "b"}]}})"));
  EXPECT_TRUE(read["steps"].is_number_integer());
  EXPECT_TRUE(read["lr"].is_number_float());
  EXPECT_EQ(parse_yaml("", "x"), json());
  EXPECT_EQ(parse_yaml("{a: .inf, b: .nan, c: 0x10, d: 1e999}", "x"),
            json::parse(R"({"a": ".inf", "b": ".nan", "c": "0x10", "d": "1e999"})"));
}

TEST(YamlTest, ErrorsNameFileAndLine) {
  EXPECT_THAT(refusal("a: 1\nb: [1, 2\n"), AllOf(HasSubstr("some.yaml"), HasSubstr("line")));
  EXPECT_THAT(refusal("a: 1\nb: 2\na: 3\n"), AllOf(HasSubstr("line 3"), HasSubstr("'a'")));
  EXPECT_THAT(refusal("a: &x [1]\nb: *x\n"), AllOf(HasSubstr("line 2"), HasSubstr("aliases")));
  EXPECT_THAT(refusal("a: 1\nb: !!python/object:os.system x\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("tag")));
  EXPECT_THAT(refusal("a: !set {x: 1}\n"), HasSubstr("tag"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(refusal("[1, 2]: 3\n"), HasSubstr("key"));
  EXPECT_THAT(refusal("a: \xff\n"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("a: 1\n\tb: 2\n"), HasSubstr("some.yaml"));
  EXPECT_THAT(refusal(std::string(300, '[')), HasSubstr("some.yaml"));
  EXPECT_THAT(refusal(std::string(100000, '[')), HasSubstr("some.yaml"));
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c)
    bomb += fmt::format("{}: &{} [*{},*{},*{}]\n", c, c, static_cast<char>(c - 1),
                        static_cast<char>(c - 1), static_cast<char>(c - 1));
  EXPECT_THAT(refusal(bomb), HasSubstr("aliases"));
}

// Any bytes give a value that can be serialized, or an error of one line.
TEST(YamlTest, RefusesBytesAfterAControlCharacter) {
  for (char c : {'\0', '\x04', '\x1a', '\x7f'}) {
    const std::string text = std::string("a: 1\n") + c + "\nb: 2\n";
    try {
      parse_yaml(text, "x");
      ADD_FAILURE() << "accepted byte " << int(c);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("control character"), std::string::npos)
          << error.what();
    }
  }
  EXPECT_EQ(parse_yaml("a: 1\r\nb:\t2\r\n", "x").size(), 2u);
}

TEST(YamlTest, DamagedTextThrowsOrIsRead) {
  const std::string good =
      "alg_name: \"FT\"\nlayers: [21, 22]\nnum_steps: 25\nlr: 5e-4\nnorm_constraint: false\n"
      "rewrite_module_tmp: 'model.layers.{}.fc2.weight'\nmore:\n  - a: 1\n  - {b: [c, d]}\n"
      "text: |\n  one\n  two\nfold: >-\n  x\n\n  y\n";
  EXPECT_TRUE(parse_yaml(good, "x").is_object());
  std::mt19937_64 rng(1);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    auto bytes = good;
    for (size_t edits = 1 + rng() % 4; edits > 0; --edits) {
      size_t at = rng() % bytes.size();
      switch (rng() % 4) {
        case 0:
          bytes[at] = static_cast<char>(rng());
          break;
        case 1:
          bytes.insert(bytes.begin() + static_cast<int64_t>(at),
                       "[]{}:,-?&*!|>'\"%@#\n\t \\\xff"[rng() % 23]);
          break;
        case 2:
          bytes.erase(at, 1 + rng() % 5);
          break;
        default:
          bytes += bytes.substr(at, 20);
      }
      if (bytes.empty()) bytes.push_back('x');
    }
    try {
      parse_yaml(bytes, "x").dump();
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace emend
