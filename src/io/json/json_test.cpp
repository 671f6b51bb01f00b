#include "io/json/json.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

using nlohmann::json;

std::string parse_message(const std::string& text) {
  return error_of([&] { parse_json(text, "file.json"); });
}

TEST(Json, ReadsTheSameValuesAsTheLibrary) {
  const std::string text = R"( {"a": [1, -2, 3.5, true, false, null, "x\u00e9\ud83d\ude42",
    [], {}, [[1], {"b": [[]]}], 18446744073709551615, -9223372036854775808],
    "": {"a": {"a": {"a": 1e-3}}}, "c": ""} )";
  EXPECT_EQ(json::parse(text), parse_json(text, "x"));
  EXPECT_EQ(json(5), parse_json("5", "x"));
  EXPECT_EQ(json::array(), parse_json("[]", "x"));
  const std::string shared = EMEND_SHARED_DIR "/data/tokenizers/qwen2_5/tokenizer.json";
  if (std::filesystem::exists(shared)) {
    EXPECT_EQ(json::parse(read_file(shared)), read_json(shared));
  }
}

TEST(Json, SyntaxErrorsNameFileAndPosition) {
  auto message = parse_message("{\"a\": 1,\n \"b\": oops}");
  EXPECT_NE(message.find("'file.json'"), std::string::npos) << message;
  EXPECT_NE(message.find("line 2, column 7"), std::string::npos) << message;
  for (const char* bad : {"", " ", "{", "[1,", "{\"a\" 1}", "[1] 2", "nul", "\"\xff\"",
                          "\"\\ud800\"", "1e999", "{\"a\":1,}", "\xef\xbb\xbf", "[1\x00]"})
    EXPECT_NE(parse_message(bad).find("not valid JSON"), std::string::npos)
        << bad << ": " << parse_message(bad);
}

TEST(Json, RefusesDuplicateKeys) {
  EXPECT_NE(parse_message(R"({"a": 1, "b": {"c": 1, "d": 2, "c": 1}})").find("'c' twice"),
            std::string::npos);
  EXPECT_EQ("no error", parse_message(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})"));
}

TEST(Json, RefusesBytesAfterANul) {
  const std::string nul(1, '\0');
  for (const auto& text : {"{\"a\": 1}" + nul, "{\"a\": 1}" + nul + "garbage", nul + "1", "1" + nul,
                           "{\"a" + nul + "\": 1}", "[1," + nul + "2]"})
    EXPECT_NE(parse_message(text).find("NUL byte at line 1"), std::string::npos)
        << parse_message(text);
  EXPECT_EQ("no error", parse_message(R"({"a": "\u0000"})"));
  TemporaryFolder folder;
  write_file(folder.file("a.json"), "{}\n" + nul + "more");
  EXPECT_NE(error_of([&] { read_json(folder.file("a.json")); }).find("line 2, column 1"),
            std::string::npos);
}

TEST(Json, RefusesDeepNesting) {
  auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ("no error", parse_message(nested(kJsonDepth)));
  EXPECT_NE(parse_message(nested(kJsonDepth + 1)).find("nested deeper"), std::string::npos);
  EXPECT_NE(parse_message(std::string(5'000'000, '[')).find("nested deeper"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_NE(parse_message(objects).find("nested deeper"), std::string::npos);
}

TEST(Json, GettersNameKeyAndType) {
  auto config = json::parse(R"({"n": 3, "x": 1.5, "s": "text", "b": true, "none": null,
      "list": [1, 2], "mixed": [1, "a"], "huge": 18446744073709551615, "o": {}})");
  const std::string file = "config.json";
  EXPECT_EQ(3, json_get<int64_t>(config, "n", file));
  EXPECT_EQ(3.0, json_get<double>(config, "n", file));
  EXPECT_EQ(1.5, json_get<double>(config, "x", file));
  EXPECT_EQ("text", json_get<std::string>(config, "s", file));
  EXPECT_TRUE(json_get<bool>(config, "b", file));
  EXPECT_EQ((std::vector<int64_t>{1, 2}), json_get<std::vector<int64_t>>(config, "list", file));
  EXPECT_EQ((std::vector<double>{1, 2}), json_get<std::vector<double>>(config, "list", file));
  EXPECT_EQ(7, json_get_or<int64_t>(config, "absent", 7, file));
  EXPECT_EQ(7, json_get_or<int64_t>(config, "none", 7, file));
  EXPECT_EQ(3, json_get_or<int64_t>(config, "n", 7, file));

  auto absent = error_of([&] { json_get<int64_t>(config, "absent", file); });
  EXPECT_NE(absent.find("'config.json' has no 'absent'"), std::string::npos) << absent;
  auto wrong = error_of([&] { json_get<int64_t>(config, "s", file); });
  EXPECT_NE(wrong.find("'s' should be an integer but is '\"text\"'"), std::string::npos) << wrong;
  EXPECT_THROW(json_get<int64_t>(config, "x", file), Error);
  EXPECT_THROW(json_get<int64_t>(config, "huge", file), Error);
  EXPECT_THROW(json_get<int64_t>(config, "b", file), Error);
  EXPECT_THROW(json_get<bool>(config, "n", file), Error);
  EXPECT_THROW(json_get<double>(config, "s", file), Error);
  EXPECT_THROW(json_get<std::string>(config, "o", file), Error);
  EXPECT_THROW(json_get<std::vector<int64_t>>(config, "mixed", file), Error);
  EXPECT_THROW(json_get<std::vector<std::string>>(config, "mixed", file), Error);
  EXPECT_THROW(json_get<json>(config, "none", file), Error);
  EXPECT_THROW(json_get_or<int64_t>(config, "s", 7, file), Error);
  EXPECT_THROW(json_get_or<int64_t>(json::array(), "s", 7, file), Error);
  EXPECT_THROW(json_get<int64_t>(json(3), "s", file), Error);
}

TEST(Json, WritesAtomically) {
  TemporaryFolder folder;
  auto path = folder.file("a.json");
  json value = {{"a", {1, 2}}, {"b", "\xc3\xa9"}};
  write_json(path, value);
  EXPECT_EQ(value, read_json(path));
  EXPECT_THROW(write_json(path, {{"bad", "\xff"}}), Error);
  EXPECT_EQ(value, read_json(path));
  EXPECT_EQ("a.json ", folder.listing());
}

}  // namespace
}  // namespace emend
