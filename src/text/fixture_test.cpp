// Every line of testdata/lines.jsonl through every tokenizer, against Hugging Face's answers
// (tools/reference/make_tokenizer_fixtures.py says what is hashed).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/json.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(EMEND_SOURCE_DIR) / "src/text/testdata";
constexpr size_t kFull = 40;  // every 40th line has its ids written out

uint32_t fnv(std::string_view bytes) {
  uint32_t value = 0x811c9dc5;
  for (char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x01000193u;
  return value;
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

void agrees(const fs::path& folder, const std::string& name) {
  const auto tokenizer = Tokenizer::load(folder.string());
  const auto expected = read_json((kData / (name + ".json")).string());
  const auto hashes = expected["hashes"].get<std::string>();
  const auto lines = read_lines();
  ASSERT_GE(lines.size(), 2000u);
  ASSERT_EQ(hashes.size(), lines.size() * 8);
  EXPECT_EQ(tokenizer->size(), expected["size"].get<int64_t>());
  const std::string gap(4, '\xff');
  int wrong = 0;
  for (size_t i = 0; i < lines.size() && wrong < 5; ++i) {
    const auto special = tokenizer->encode(lines[i], true);
    const auto plain = tokenizer->encode(lines[i], false);
    const auto data = as_bytes(special) + gap + as_bytes(plain) + gap +
                      tokenizer->decode(special, false) + gap + tokenizer->decode(special, true);
    const bool same = fmt::format("{:08x}", fnv(data)) == hashes.substr(i * 8, 8);
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
  for (size_t i = 0; i * 8 < broken.size(); ++i) {
    std::vector<int64_t> ids;
    for (int k = 0; k < 12; ++k) {
      state = (state * 1103515245u + 12345u) & 0x7fffffff;
      ids.push_back((state >> 8) % tokenizer->size());
    }
    const auto text = tokenizer->decode(ids, false);
    ASSERT_EQ(fmt::format("{:08x}", fnv(text)), broken.substr(i * 8, 8)) << name << ": " << text;
  }
}

class OwnTokenizer : public ::testing::TestWithParam<const char*> {};
TEST_P(OwnTokenizer, AgreesWithHuggingFace) { agrees(kData / GetParam(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(Text, OwnTokenizer,
                         ::testing::Values("small_gpt2", "small_qwen2", "small_opt"),
                         [](const auto& info) { return std::string(info.param); });

class RealTokenizer : public ::testing::TestWithParam<const char*> {};
TEST_P(RealTokenizer, AgreesWithHuggingFace) {
  const auto folder = fs::path(EMEND_SHARED_DIR) / "data/tokenizers" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not there";
  agrees(folder, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Text, RealTokenizer, ::testing::Values("gpt2", "opt", "qwen2_5"),
                         [](const auto& info) { return std::string(info.param); });

TEST(BundledTokenizer, AgreesWithHuggingFace) {
  agrees(fs::path(EMEND_SOURCE_DIR) / "models/scenes-blip2", "scenes");
}

INSTANTIATE_TEST_SUITE_P(WordPiece, OwnTokenizer,
                         ::testing::Values("small_bert", "small_bert_cased"),
                         [](const auto& info) { return std::string(info.param); });

TEST(BundledTokenizer, ReadsTheSameFromVocabularyAndMerges) {
  const auto folder = fs::path(::testing::TempDir()) / "emend_scenes_vocab";
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const char* file :
       {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"})
    fs::copy_file(fs::path(EMEND_SOURCE_DIR) / "models/scenes-blip2" / file, folder / file);
  agrees(folder, "scenes");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace emend
