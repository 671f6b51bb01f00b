// Compares every tokenizer on every line of testdata/lines.jsonl with Hugging Face tokenizers
// (tools/reference/text/make_tokenizer_fixtures.py defines the hashes).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/json/json.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(EMEND_SOURCE_DIR) / "src/text/testdata";
constexpr size_t kFull = 40;  // the fixture has the IDs of every 40th line

uint32_t fnv(std::string_view bytes) {
  uint32_t value = 0x811c9dc5;
  for (char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x01000193u;
  return value;
}

std::string last_digits(uint32_t hash, size_t count) {
  return fmt::format("{:08x}", hash).substr(8 - count);
}

std::string as_bytes(const std::vector<int64_t>& ids) {
  std::string bytes;
  for (int64_t id : ids)
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(id >> shift & 0xff);
  return bytes;
}

std::vector<std::string> read_lines() {
  std::ifstream in(kData / "lines.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    const auto value = parse_json(line, "lines.jsonl");
    if (value.is_string()) {
      lines.push_back(value.get<std::string>());
      continue;
    }
    std::string text;
    for (int i = 0; i < value[1].get<int>(); ++i) text += value[0].get<std::string>();
    lines.push_back(text);
  }
  return lines;
}

void fixture_agrees(const fs::path& folder, const std::string& name) {
  const auto tokenizer = Tokenizer::load(folder.string());
  const auto expected = read_json((kData / (name + ".json")).string());
  const auto hashes = expected["hashes"].get<std::string>();
  const auto lines = read_lines();
  ASSERT_GE(lines.size(), 2000u);
  const size_t digits = hashes.size() / lines.size();  // the last digits of a hash
  ASSERT_TRUE((digits == 8 || digits == 4) && hashes.size() == lines.size() * digits);
  EXPECT_EQ(tokenizer->size(), expected["size"].get<int64_t>());
  const std::string gap(4, '\xff');
  int wrong = 0;
  for (size_t i = 0; i < lines.size() && wrong < 5; ++i) {
    const auto special = tokenizer->encode(lines[i], true);
    const auto plain = tokenizer->encode(lines[i], false);
    const auto data = as_bytes(special) + gap + as_bytes(plain) + gap +
                      tokenizer->decode(special, false) + gap + tokenizer->decode(special, true);
    const bool same = last_digits(fnv(data), digits) == hashes.substr(i * digits, digits);
    wrong += !same;
    EXPECT_TRUE(same) << name << ", line " << i << ": " << lines[i].substr(0, 300) << "\nids "
                      << ::testing::PrintToString(special).substr(0, 600);
    if (i % kFull == 0) {
      auto head = special;
      head.resize(std::min<size_t>(head.size(), 400));
      EXPECT_EQ(head, expected["ids"][i / kFull].get<std::vector<int64_t>>()) << lines[i];
    }
  }

  const auto broken = expected["broken"].get<std::string>();
  uint32_t state = 12345;
  for (size_t i = 0; i * digits < broken.size(); ++i) {
    std::vector<int64_t> ids;
    for (int k = 0; k < 12; ++k) {
      state = (state * 1103515245u + 12345u) & 0x7fffffff;
      ids.push_back((state >> 8) % tokenizer->size());
    }
    const auto text = tokenizer->decode(ids, false);
    ASSERT_EQ(last_digits(fnv(text), digits), broken.substr(i * digits, digits))
        << name << ": " << text;
  }
}

class OwnTokenizer : public ::testing::TestWithParam<const char*> {};
TEST_P(OwnTokenizer, AgreesWithHuggingFace) { fixture_agrees(kData / GetParam(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(Text, OwnTokenizer,
                         ::testing::Values("small_gpt2", "small_qwen2", "small_opt", "small_smollm",
                                           "small_llama3", "small_llama", "small_llama_fast",
                                           "small_metaspace"),
                         [](const auto& info) { return std::string(info.param); });

// A folder with some files of other folders.
fs::path gathered(const std::string& name, const std::vector<fs::path>& files) {
  const auto folder = fs::path(::testing::TempDir()) / ("emend_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& file : files) fs::copy_file(file, folder / file.filename());
  return folder;
}

void write_config(const fs::path& folder, bool legacy) {
  auto config = read_json((folder / "tokenizer_config.json").string());
  config["legacy"] = legacy;
  std::ofstream(folder / "tokenizer_config.json") << config.dump();
}

TEST(LlamaTokenizer, NotLegacyAgreesWithHuggingFace) {
  const auto with = kData / "small_llama_new";
  const auto folder = gathered(
      "small_llama_new", {kData / "small_llama/tokenizer.model", with / "tokenizer_config.json",
                          with / "added_tokens.json", with / "special_tokens_map.json"});
  fixture_agrees(folder, "small_llama_new");
  fs::remove_all(folder);
}

// The fixture contains the lines for which the two implementations of Hugging Face differ: an added
// token is inside a word, takes white space, or is next to a user-defined piece.
TEST(LlamaTokenizer, BothFilesGiveTheSameIds) {
  const auto json = Tokenizer::load((kData / "small_llama_fast").string());
  const auto model = Tokenizer::load((kData / "small_llama").string());
  const auto unlike = read_json((kData / "small_llama_fast.json").string())["unlike_model"]
                          .get<std::vector<size_t>>();
  const auto lines = read_lines();
  std::vector<size_t> found;
  for (size_t i = 0; i < lines.size(); ++i)
    if (json->encode(lines[i], true) != model->encode(lines[i], true)) found.push_back(i);
  EXPECT_EQ(found, unlike);
  EXPECT_LT(found.size(), lines.size() / 4);
}

class RealTokenizer : public ::testing::TestWithParam<const char*> {};
TEST_P(RealTokenizer, AgreesWithHuggingFace) {
  const auto folder = fs::path(EMEND_SHARED_DIR) / "data/tokenizers" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " does not exist";
  fixture_agrees(folder, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Text, RealTokenizer, ::testing::Values("gpt2", "opt", "qwen2_5", "llama2"),
                         [](const auto& info) { return std::string(info.param); });

TEST(LlamaTokenizer, ModelOfLlama2AgreesWithHuggingFace) {
  const auto source = fs::path(EMEND_SHARED_DIR) / "data/tokenizers/llama2";
  if (!fs::exists(source)) GTEST_SKIP() << source << " does not exist";
  const auto folder =
      gathered("llama2_model", {source / "tokenizer.model", source / "tokenizer_config.json"});
  fs::permissions(folder / "tokenizer_config.json", fs::perms::owner_write, fs::perm_options::add);
  write_config(folder, true);
  fixture_agrees(folder, "llama2_legacy");
  write_config(folder, false);
  fixture_agrees(folder, "llama2_new");
  fs::remove_all(folder);
}

TEST(BundledTokenizer, AgreesWithHuggingFace) {
  fixture_agrees(fs::path(EMEND_SOURCE_DIR) / "models/scenes-blip2", "scenes");
}

INSTANTIATE_TEST_SUITE_P(WordPiece, OwnTokenizer,
                         ::testing::Values("small_bert", "small_bert_cased"),
                         [](const auto& info) { return std::string(info.param); });

TEST(BundledTokenizer, IsTheSameFromVocabularyAndMerges) {
  const auto source = fs::path(EMEND_SOURCE_DIR) / "models/scenes-blip2";
  const auto folder = gathered(
      "scenes_vocab", {source / "vocab.json", source / "merges.txt",
                       source / "tokenizer_config.json", source / "special_tokens_map.json"});
  fixture_agrees(folder, "scenes");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace emend
