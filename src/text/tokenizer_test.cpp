// Tests which folders Tokenizer::load accepts and refuses, and edge cases of encode and decode.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "text/pipeline/bpe/byte_level.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Ids = std::vector<int64_t>;

// 256 byte symbols, then "ab" (256), "Ġa" (257), "Ġab" (258).
Json tiny() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[text::byte_symbol(static_cast<unsigned char>(byte))] = byte;
  vocab["ab"] = 256;
  vocab["Ġa"] = 257;
  vocab["Ġab"] = 258;
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b", "Ġ ab"}}}}};
}

Json added(const std::string& content, int id, bool special = true) {
  return {{"content", content}, {"id", id}, {"special", special}, {"normalized", false}};
}

class TokenizerFolder {
 public:
  TokenizerFolder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = fs::path(::testing::TempDir()) / (std::string("emend_text_") + test->name());
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~TokenizerFolder() { fs::remove_all(path_); }
  std::unique_ptr<Tokenizer> load() const { return Tokenizer::load(path_.string()); }
  std::unique_ptr<Tokenizer> load(const Json& spec) const {
    write("tokenizer.json", spec.dump());
    return load();
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  fs::path path_;
};

std::string tokenizer_refusal(const Json& spec) {
  const TokenizerFolder folder;
  return error_of([&] { folder.load(spec); });
}

TEST(Tokenizer, MergesByRankThenFromTheLeft) {
  const TokenizerFolder folder;
  const auto tokenizer = folder.load(tiny());
  EXPECT_THAT(tokenizer->encode("ab ab", false), ElementsAre(256, 258));
  EXPECT_THAT(tokenizer->encode("aab", false), ElementsAre('a', 256));
  EXPECT_THAT(tokenizer->encode("", true), ElementsAre());
  EXPECT_EQ(tokenizer->size(), 259);
  EXPECT_EQ(tokenizer->id("Ġab"), 258);
  EXPECT_EQ(tokenizer->id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer->token(258), "Ġab");
}

TEST(Tokenizer, ReadsBothFormsOfMerges) {
  const TokenizerFolder folder;
  auto spec = tiny();
  spec["model"]["merges"] = Json::array({Json::array({"a", "b"}), Json::array({"Ġ", "ab"})});
  EXPECT_THAT(folder.load(spec)->encode(" ab", false), ElementsAre(258));
}

TEST(Tokenizer, AppliesIgnoreMerges) {
  const TokenizerFolder folder;
  auto spec = tiny();
  EXPECT_THAT(folder.load(spec)->encode(" a", false), ElementsAre(' ', 'a'));  // no merge makes it
  spec["model"]["ignore_merges"] = true;
  EXPECT_THAT(folder.load(spec)->encode(" a", false), ElementsAre(257));
}

TEST(Tokenizer, AddsTheTokensOfThePostProcessor) {
  const TokenizerFolder folder;
  auto spec = tiny();
  spec["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"a", 97}}, {"sep", {"b", 98}}};
  EXPECT_THAT(folder.load(spec)->encode("c", true), ElementsAre('a', 'c', 'b'));
  EXPECT_THAT(folder.load(spec)->encode("c", false), ElementsAre('c'));
}

TEST(Tokenizer, SplitsByEveryBehavior) {
  const TokenizerFolder folder;
  auto spec = tiny();
  auto split = [&](const char* behavior, bool invert) {
    spec["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers",
                              {{{"type", "Split"},
                                {"pattern", {{"String", "b"}}},
                                {"behavior", behavior},
                                {"invert", invert}},
                               {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
    return folder.load(spec)->decode(folder.load(spec)->encode("xabaab", false), false) + "|" +
           std::to_string(folder.load(spec)->encode("xabaab", false).size());
  };
  EXPECT_EQ(split("Isolated", false), "xabaab|6");            // x a|b|a a|b
  EXPECT_EQ(split("Removed", false), "xaaa|4");               // xa|aa
  EXPECT_EQ(split("Removed", true), "bb|2");                  // b|b
  EXPECT_EQ(split("MergedWithPrevious", false), "xabaab|4");  // x ab|a ab
  EXPECT_EQ(split("MergedWithNext", false), "xabaab|6");      // xa|baa|b
  EXPECT_EQ(split("Contiguous", false), "xabaab|6");
  EXPECT_THAT(error_of([&] { split("Sideways", false); }), HasSubstr("Sideways"));
}

TEST(Tokenizer, NamesTheByteThatIsNotUtf8) {
  const TokenizerFolder folder;
  const auto tokenizer = folder.load(tiny());
  const std::pair<std::string, int> cases[] = {
      {"ab\xff", 2},        {"\x80", 0},
      {"a\xc3", 1},         {"\xc0\xaf", 0},
      {"é\xed\xa0\x80", 2}, {"\xf4\x90\x80\x80", 0},
      {"x\xe2\x82", 1},     {"\xf0\x80\x80\x80", 0},
  };
  for (const auto& [text, at] : cases)
    EXPECT_THAT(error_of([&, text = text] { tokenizer->encode(text, true); }),
                HasSubstr("byte " + std::to_string(at) + " "));
  EXPECT_NO_THROW(tokenizer->encode("\xf4\x8f\xbf\xbf \xef\xbf\xbe \xed\x9f\xbf", true));
}

TEST(Tokenizer, DecodesInvalidBytesToReplacementCharacters) {
  const TokenizerFolder folder;
  const auto tokenizer = folder.load(tiny());
  EXPECT_EQ(tokenizer->decode({0xe2, 0x82, 'a'}), "\ufffda");
  EXPECT_EQ(tokenizer->decode({0xed, 0xa0, 0x80}), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(tokenizer->decode({0xf0, 0x9f, 0x98, 0x80}), "😀");
  EXPECT_EQ(tokenizer->decode({}), "");
  for (int64_t id : {int64_t{-1}, int64_t{259}, INT64_MAX})
    EXPECT_THAT(error_of([&] { tokenizer->decode({id}); }),
                HasSubstr("token ID " + std::to_string(id) + " does not exist"));
}

TEST(Tokenizer, SkipsOnlySpecialTokens) {
  const TokenizerFolder folder;
  auto spec = tiny();
  spec["added_tokens"] = {added("<s>", 259), added("¦¬ ", 260, false)};
  const auto tokenizer = folder.load(spec);
  const auto ids = tokenizer->encode("a<s>b¦¬ c", false);
  EXPECT_THAT(ids, ElementsAre('a', 259, 'b', 260, 'c'));
  EXPECT_EQ(tokenizer->decode(ids, true), "ab¦¬ c");
  EXPECT_EQ(tokenizer->decode(ids, false), "a<s>b¦¬ c");
  EXPECT_EQ(tokenizer->size(), 261);
}

TEST(Tokenizer, TakesTheLongestAddedToken) {
  const TokenizerFolder folder;
  auto spec = tiny();
  spec["added_tokens"] = {added("xy", 259), added("xyz", 260), added("yzzz", 261)};
  EXPECT_THAT(folder.load(spec)->encode("xyzzz", false), ElementsAre(260, 'z', 'z'));
  EXPECT_THAT(folder.load(spec)->encode("xxy", false), ElementsAre('x', 259));
}

TEST(Tokenizer, NamesWhatIsNotImplemented) {
  const std::tuple<const char*, Json, const char*> cases[] = {
      {"/model/type", "Unigram", "Unigram"},
      {"/model/type", "WordPiece", "ByteLevel"},  // without its decoder
      {"/model/dropout", 0.1, "dropout"},
      {"/model/continuing_subword_prefix", "##", "continuing_subword_prefix"},
      {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix"},
      {"/normalizer", {{"type", "Lowercase"}}, "Lowercase"},
      {"/normalizer",
       {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "NFKC"}}}}},
       "NFKC"},
      {"/pre_tokenizer", {{"type", "Whitespace"}}, "Whitespace"},
      {"/pre_tokenizer",
       {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}},
       "last"},
      {"/decoder", {{"type", "WordPiece"}}, "WordPiece"},
      {"/decoder", nullptr, "null"},
      {"/post_processor", {{"type", "Whatever"}}, "Whatever"},
  };
  for (const auto& [where, value, name] : cases) {
    auto spec = tiny();
    spec[Json::json_pointer(where)] = value;
    const auto text = tokenizer_refusal(spec);
    EXPECT_THAT(text, HasSubstr(name)) << where;
    EXPECT_THAT(text, HasSubstr("not implemented")) << where;
  }
}

// The vocabulary has the characters "▁abc\u00e9"; others fall back to bytes, or are unknown.
Json tiny_llama() {
  const Json vocab = {{"<unk>", 0}, {"<0xC3>", 1}, {"<0xA8>", 2}, {"<0x41>", 3},
                      {"▁", 4},     {"a", 5},      {"b", 6},      {"c", 7},
                      {"é", 8},     {"ab", 9},     {"▁ab", 10}};
  auto spec = tiny();
  spec["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", "▁"}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}};
  spec["pre_tokenizer"] = nullptr;
  spec["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  spec["model"] = {{"type", "BPE"},        {"vocab", vocab},   {"merges", {"a b", "▁ ab"}},
                   {"unk_token", "<unk>"}, {"fuse_unk", true}, {"byte_fallback", true}};
  return spec;
}

TEST(Tokenizer, FallsBackToBytesThenToTheUnknownToken) {
  const TokenizerFolder folder;
  auto spec = tiny_llama();
  const auto tokenizer = folder.load(spec);
  EXPECT_THAT(tokenizer->encode("ab éèA", false), ElementsAre(10, 4, 8, 1, 2, 3));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("ab  éèA ", false)), "ab  éèA ");
  EXPECT_EQ(tokenizer->decode({10, 1, 5, 1, 1, 2}), "ab\ufffda\ufffd\ufffd\ufffd");
  EXPECT_THAT(tokenizer->encode("xyaz", false), ElementsAre(4, 0, 5, 0));
  EXPECT_THAT(tokenizer->encode("xA", false),
              ElementsAre(4, 3, 0));  // the order of Hugging Face tokenizers
  spec["model"]["fuse_unk"] = false;
  EXPECT_THAT(folder.load(spec)->encode("xyaz", false), ElementsAre(4, 0, 0, 5, 0));
  spec["model"]["byte_fallback"] = false;
  EXPECT_THAT(folder.load(spec)->encode("xA", false), ElementsAre(4, 0, 0));
  spec["model"].erase("unk_token");
  EXPECT_THAT(folder.load(spec)->encode("xaA", false), ElementsAre(4, 5));
}

TEST(Tokenizer, PrependsByTheSchemeOfMetaspace) {
  const TokenizerFolder folder;
  auto spec = tiny_llama();
  spec["normalizer"] = nullptr;
  spec["added_tokens"] = {added("<s>", 11)};
  auto ids = [&](const char* scheme, bool split, const std::string& text) {
    spec["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", split}};
    return folder.load(spec)->encode(text, false);
  };
  EXPECT_THAT(ids("always", false, "ab<s>ab"), ElementsAre(10, 11, 10));
  EXPECT_THAT(ids("first", false, "ab<s>ab"), ElementsAre(10, 11, 9));
  EXPECT_THAT(ids("first", false, "<s>ab"), ElementsAre(11, 9));
  EXPECT_THAT(ids("never", false, "ab<s> ab"), ElementsAre(9, 11, 10));
  EXPECT_THAT(ids("always", false, " ab"), ElementsAre(10));
  spec["model"]["merges"] = {"a b", "b ▁"};  // only splitting prevents the second merge
  spec["model"]["vocab"]["b▁"] = 11;
  spec["added_tokens"] = {added("<s>", 12)};
  EXPECT_THAT(ids("never", false, "cb b"), ElementsAre(7, 11, 6));
  EXPECT_THAT(ids("never", true, "cb b"), ElementsAre(7, 6, 4, 6));
  spec["pre_tokenizer"]["add_prefix_space"] = false;
  EXPECT_NO_THROW(folder.load(spec));
  spec["pre_tokenizer"]["prepend_scheme"] = "always";
  EXPECT_THAT(tokenizer_refusal(spec), HasSubstr("add_prefix_space"));
}

TEST(Tokenizer, DecodesByEveryStep) {
  const TokenizerFolder folder;
  auto spec = tiny_llama();
  auto decoded = [&](const Json& decoder, const Ids& ids) {
    spec["decoder"] = decoder;
    return folder.load(spec)->decode(ids);
  };
  const Json metaspace = {{"type", "Metaspace"}, {"replacement", "▁"}};
  EXPECT_EQ(decoded(metaspace, {10, 10, 4}), "ab ab ");
  EXPECT_EQ(
      decoded({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "never"}}, {10, 10}),
      " ab ab");
  EXPECT_EQ(decoded({{"type", "Strip"}, {"content", "a"}, {"start", 2}, {"stop", 9}}, {9, 5, 7}),
            "bc");
  const Json regex = {{"type", "Replace"}, {"pattern", {{"Regex", "[ab]+"}}}, {"content", "_"}};
  EXPECT_EQ(decoded(regex, {9, 7, 9}), "_c_");
}

TEST(Tokenizer, RefusesInconsistentFiles) {
  auto with = [](const char* where, Json value) {
    auto spec = tiny();
    spec[Json::json_pointer(where)] = std::move(value);
    return tokenizer_refusal(spec);
  };
  EXPECT_THAT(with("/model/merges/0", "a q b"), HasSubstr("not two tokens"));
  EXPECT_THAT(with("/model/merges/0", {"a"}), HasSubstr("not two tokens"));
  EXPECT_THAT(with("/model/merges/0", "a qq"), HasSubstr("'qq'"));
  EXPECT_THAT(with("/model/vocab/ab", 5), HasSubstr("share the ID 5"));
  EXPECT_THAT(with("/model/vocab/ab", -1), HasSubstr("'ab'"));
  EXPECT_THAT(with("/model/vocab/ab", 1.5), HasSubstr("'ab'"));
  EXPECT_THAT(with("/model/vocab/ab", 1e18), HasSubstr("'ab'"));
  EXPECT_THAT(with("/model/vocab", Json::object()), HasSubstr("vocabulary is empty"));
  EXPECT_THAT(with("/model/vocab", 3), HasSubstr("vocabulary"));
  EXPECT_THAT(with("/model/unk_token", "<unk>"), HasSubstr("<unk>"));
  EXPECT_THAT(with("/added_tokens", {added("<s>", 400)}), HasSubstr("has the ID 400"));
  EXPECT_THAT(with("/added_tokens", {added("", 259)}), HasSubstr("empty"));
  EXPECT_THAT(with("/added_tokens", {added("a", 97), added("a", 97)}), HasSubstr("twice"));
  EXPECT_THAT(with("/post_processor",
                   {{"type", "BertProcessing"}, {"cls", {"a", 999}}, {"sep", {"b", 98}}}),
              HasSubstr("999"));
  EXPECT_THAT(with("/pre_tokenizer/type", 5), HasSubstr("'type'"));
}

TEST(Tokenizer, NamesMissingAndDamagedFiles) {
  const TokenizerFolder folder;
  EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr("neither tokenizer.json nor vocab.json"));
  EXPECT_THAT(error_of([] { Tokenizer::load("/no/such/folder"); }), HasSubstr("/no/such/folder"));
  folder.write("tokenizer.json", tiny().dump().substr(0, 500));
  EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr("tokenizer.json"));
  folder.write("tokenizer.json", "[]");
  EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr("object"));
}

TEST(Tokenizer, ReadsVocabularyAndMergesStrictly) {
  const TokenizerFolder folder;
  folder.write("vocab.json", tiny()["model"]["vocab"].dump());
  folder.write("merges.txt", "#version: 0.2\r\na b\r\nĠ ab\r\n");
  auto tokenizer = folder.load();
  EXPECT_THAT(tokenizer->encode("ab ab", true), ElementsAre(256, 258));
  EXPECT_EQ(tokenizer->id("<|endoftext|>"), 259);  // GPT-2's default if no file defines the token
  folder.write("merges.txt", "a b c\n");
  EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr("not two tokens"));
  folder.write("merges.txt", "a b\n");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr("RobertaTokenizer"));
  folder.write("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": null})");
  EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr("bos_token"));
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2Tokenizer"})");
  tokenizer = folder.load();
  EXPECT_EQ(tokenizer->encode("e\u0301", true), tokenizer->encode("é", true));
}

TEST(Tokenizer, ReadsTheConfigurationOfASentencePieceModelStrictly) {
  const TokenizerFolder folder;
  const auto model = fs::path(EMEND_SOURCE_DIR) / "src/text/testdata/small_llama/tokenizer.model";
  folder.write("tokenizer.model", read_file(model.string()));
  auto tokenizer = folder.load();  // all defaults of LlamaTokenizer
  EXPECT_EQ(tokenizer->encode("the", true).front(), 1);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("the star", true)), "the star");
  EXPECT_EQ(tokenizer->size(), 900);
  const std::pair<const char*, const char*> cases[] = {
      {R"({"tokenizer_class": "T5Tokenizer"})", "T5Tokenizer"},
      {R"({"sp_model_kwargs": {"enable_sampling": true}})", "enable_sampling"},
      {R"({"split_special_tokens": true})", "split_special_tokens"},
      {R"({"legacy": "yes"})", "'legacy'"},
      {R"({"bos_token": null})", "bos_token"},
  };
  for (const auto& [config, named] : cases) {
    folder.write("tokenizer_config.json", config);
    EXPECT_THAT(error_of([&] { folder.load(); }), HasSubstr(named)) << config;
  }
  folder.write("tokenizer_config.json", R"({"clean_up_tokenization_spaces": true})");
  tokenizer = folder.load();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("so , it 's", false)), "so, it's");
}

TEST(Tokenizer, LongTextsTakeLinearTime) {
  const auto tokenizer =
      Tokenizer::load((fs::path(EMEND_SOURCE_DIR) / "src/text/testdata/small_qwen2").string());
  const std::clock_t start = std::clock();  // CPU time of this process only
  for (const char* unit :
       {"a", "ab", "星", " ", "\n", " \n", "1", "!", "e\u0301", "\u0301", "'", "<"}) {
    std::string text;
    const size_t size = std::string_view(unit) == "a" ? 1 << 20 : 1 << 18;
    while (text.size() < size) text += unit;
    const auto ids = tokenizer->encode(text, false);
    if (std::string_view(unit) == "e\u0301") continue;  // composition changes the text
    EXPECT_TRUE(tokenizer->decode(ids, false) == text) << unit;
  }
  // It takes less than a second, or a few with sanitizers; quadratic time would be many minutes.
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 60);
}

TEST(Tokenizer, IsThreadSafe) {
  const auto folder = (fs::path(EMEND_SOURCE_DIR) / "src/text/testdata/small_gpt2").string();
  const auto tokenizer = Tokenizer::load(folder), alone = Tokenizer::load(folder);
  std::vector<std::string> texts;
  std::vector<Ids> expected;
  for (int i = 0; i < 40; ++i) {
    texts.push_back("word" + std::to_string(i * 7919) + " and more of it");
    expected.push_back(alone->encode(texts.back(), true));
  }
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        for (size_t i = 0; i < texts.size(); ++i)
          wrong += tokenizer->encode(texts[i], true) != expected[i];
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace emend
