// Thousands of damaged tokenizer folders: each must load or throw emend::Error. A folder that loads
// must also encode and decode.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "io/error.h"
#include "io/json/json.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using Rng = std::mt19937;

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// A new file. Some file systems (ext4) write a file to the disk if it replaces its former content,
// which takes more time than everything else here.
void write(const fs::path& file, const std::string& text) {
  fs::remove(file);
  std::ofstream(file, std::ios::binary) << text;
}

int below(Rng& rng, size_t n) { return static_cast<int>(rng() % std::max<size_t>(n, 1)); }

// Files are mostly vocabulary; damage to their structure tests more.
size_t place(Rng& rng, const std::string& text) {
  if (rng() % 2) return below(rng, text.size());
  return rng() % 2 ? below(rng, std::min<size_t>(text.size(), 2500))
                   : text.size() - 1 - below(rng, std::min<size_t>(text.size(), 300));
}

std::string mutated(std::string text, Rng& rng) {
  static const char* const kBits[] = {
      "null",    "-1",      "1e99", "\"\"",    "[]",           "{}", "true",
      ",",       "\"",      "{",    "[",       "4294967296",   "\\", "\xff",
      "]",       "}",       ":",    "\"a\"",   "\"Removed\"",  "0",  "[[[[[[",
      "\\ud800", "\\u0000", "(",    "\"NFC\"", "\"Sequence\"", " ",  "\n"};
  const int count = 1 + below(rng, 3);
  for (int i = 0; i < count && !text.empty(); ++i) {
    const size_t at = place(rng, text);
    switch (below(rng, 6)) {
      case 0:
        text[at] = static_cast<char>(rng());
        break;
      case 1:
        text.erase(at, 1 + below(rng, 20));
        break;
      case 2:
        text.insert(at, kBits[below(rng, std::size(kBits))]);
        break;
      case 3: {  // replace a value
        const size_t colon = text.find(':', at);
        if (colon == std::string::npos) break;
        const size_t end = text.find_first_of(",}]", colon);
        text.replace(colon + 1, end == std::string::npos ? 1 : end - colon - 1,
                     kBits[below(rng, std::size(kBits))]);
        break;
      }
      case 4:
        text.insert(at, text.substr(place(rng, text), below(rng, 200)));
        break;
      case 5:
        if (rng() % 8 == 0) text.resize(at);
        break;
    }
  }
  return text;
}

struct Outcome {
  int loaded = 0, refused = 0;
};

void load_and_use(const fs::path& folder, Outcome& outcome) {
  try {
    const auto tokenizer = Tokenizer::load(folder.string());
    const auto ids = tokenizer->encode("It's a star,  <image> [BOTH] 12½ \u00e9! 星\n", true);
    tokenizer->decode(ids, true);
    tokenizer->decode(ids, false);
    ++outcome.loaded;
  } catch (const Error&) {
    ++outcome.refused;
  }
}

// Keeps only the first `size` tokens: small files load fast, and more of the damage hits the
// structure.
nlohmann::json fewer(const nlohmann::json& vocab, int size) {
  nlohmann::json kept = nlohmann::json::object();
  for (const auto& [token, id] : vocab.items())
    if (id < size) kept[token] = id;
  return kept;
}

constexpr int kSize = 320;

std::string shrunk_json(const fs::path& file) {
  auto spec = read_json(file.string());
  auto& model = spec["model"];
  model["vocab"] = fewer(model["vocab"], kSize);
  nlohmann::json merges = nlohmann::json::array();
  const auto& kept = model["vocab"];
  for (const auto& merge : model["merges"]) {
    const auto left = merge[0].get<std::string>(), right = merge[1].get<std::string>();
    if (kept.contains(left) && kept.contains(right) && kept.contains(left + right))
      merges.push_back(merge);
  }
  model["merges"] = merges;
  int next = kSize;
  for (auto& token : spec["added_tokens"]) {
    const auto known = model["vocab"].find(token["content"].get<std::string>());
    token["id"] = known != model["vocab"].end() ? known->get<int>() : next++;
  }
  return spec.dump();
}

std::string shrunk(const fs::path& file) {
  const auto name = file.filename();
  if (name == "tokenizer.json") return shrunk_json(file);
  const auto vocab_file = file.parent_path() / "vocab.json";
  if (name == "vocab.json") return fewer(read_json(vocab_file.string()), kSize).dump();
  if (name == "added_tokens.json") return R"({"<mask>": 320, "[WORD]": 321})";
  if (name != "merges.txt") return read(file);
  const auto vocab = fewer(read_json(vocab_file.string()), kSize);
  std::istringstream in(read(file));
  std::string text;
  for (std::string line; std::getline(in, line);) {
    std::string token = line;
    token.erase(std::remove(token.begin(), token.end(), ' '), token.end());
    if (line[0] == '#' || vocab.contains(token)) text += line + "\n";
  }
  return text;
}

Outcome fuzz(const char* name, const std::vector<const char*>& files, int rounds) {
  const auto source = fs::path(EMEND_SOURCE_DIR) / "src/text/testdata" / name;
  const auto folder = fs::path(::testing::TempDir()) / (std::string("emend_fuzz_") + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::vector<std::string> sound;
  for (const char* file : files) {
    sound.push_back(shrunk(source / file));
    write(folder / file, sound.back());
  }
  EXPECT_NO_THROW(Tokenizer::load(folder.string()));
  Rng rng(7);
  Outcome outcome;
  for (int round = 0; round < rounds; ++round) {
    const int which = below(rng, files.size());
    write(folder / files[which], mutated(sound[which], rng));
    load_and_use(folder, outcome);
    write(folder / files[which], sound[which]);
  }
  fs::remove_all(folder);
  return outcome;
}

void expect_both(const Outcome& outcome, int rounds) {
  EXPECT_EQ(outcome.loaded + outcome.refused, rounds);
  EXPECT_GT(outcome.loaded, rounds / 50);  // otherwise, the JSON reader refuses all of the damage
  EXPECT_GT(outcome.refused, rounds / 4);
}

TEST(Fuzz, TokenizerJson) {
  expect_both(fuzz("small_gpt2", {"tokenizer.json"}, 1500), 1500);
  expect_both(fuzz("small_qwen2", {"tokenizer.json"}, 1500), 1500);
  expect_both(fuzz("small_llama_fast", {"tokenizer.json"}, 1000), 1000);
  expect_both(fuzz("small_metaspace", {"tokenizer.json"}, 500), 500);
}

TEST(Fuzz, SentencePieceModel) {
  expect_both(fuzz("small_llama", {"tokenizer.model", "tokenizer_config.json"}, 2000), 2000);
}

TEST(Fuzz, VocabularyAndMerges) {
  expect_both(fuzz("small_opt",
                   {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
                    "added_tokens.json"},
                   2000),
              2000);
}

TEST(Fuzz, WordPieceJson) { expect_both(fuzz("small_bert", {"tokenizer.json"}, 600), 600); }

TEST(Fuzz, WordPieceVocabulary) {
  const auto outcome = fuzz("small_bert_cased", {"vocab.txt", "tokenizer_config.json"}, 600);
  EXPECT_EQ(outcome.loaded + outcome.refused, 600);
  EXPECT_GT(outcome.loaded, 40);  // a line with any content is a valid token
  EXPECT_GT(outcome.refused, 40);
}

}  // namespace
}  // namespace emend
