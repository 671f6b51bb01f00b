#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "io/json/json.h"
#include "text/loading/folder_tokens.h"
#include "text/loading/loaders.h"
#include "text/loading/spec.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/pipeline/pipeline_tokenizer.h"

namespace emend::text {
namespace {

// What the tokenizer class of transformers adds to vocab.json and merges.txt.
struct Kind {
  nlohmann::json normalizer;
  nlohmann::json pre_tokenizer;
  nlohmann::json defaults;  // special tokens that are used if the folder does not define them
};

Kind gpt2(bool add_prefix_space) {
  return {nullptr,
          {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}},
          {{"bos_token", "<|endoftext|>"},
           {"eos_token", "<|endoftext|>"},
           {"unk_token", "<|endoftext|>"}}};
}

Kind qwen2(bool add_prefix_space) {
  constexpr const char* kPattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const nlohmann::json split{
      {"type", "Split"}, {"pattern", {{"Regex", kPattern}}}, {"behavior", "Isolated"}};
  const nlohmann::json bytes{
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"use_regex", false}};
  return {{{"type", "NFC"}},
          {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}},
          {{"eos_token", "<|endoftext|>"},
           {"unk_token", "<|endoftext|>"},
           {"pad_token", "<|endoftext|>"}}};
}

Kind kind_of(const nlohmann::json& config) {
  const bool prefix = spec_bool(config, "add_prefix_space", false, kTokenizerConfig);
  if (spec_field(config, "tokenizer_class").is_null()) return gpt2(prefix);
  const std::string name = spec_string(config, "tokenizer_class", kTokenizerConfig);
  if (name == "GPT2Tokenizer" || name == "GPT2TokenizerFast") return gpt2(prefix);
  if (name == "Qwen2Tokenizer" || name == "Qwen2TokenizerFast") return qwen2(prefix);
  not_implemented("tokenizer_class", name);
}

Bpe::Merges read_merges_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw Error("text::tokenizer", fmt::format("'{}' cannot be opened", file),
                "check the path and its permissions");
  Bpe::Merges merges;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("#version")) continue;
    merges.push_back(read_merge(line, merges.size() + 1, file));
  }
  if (in.bad())
    throw Error("text::tokenizer", fmt::format("'{}' cannot be read", file), "check the disk");
  return merges;
}

}  // namespace

std::unique_ptr<Tokenizer> load_vocab_merges(const std::string& folder) {
  const std::filesystem::path path(folder);
  const auto config = read_tokenizer_config(path);
  const Kind kind = kind_of(config);
  const auto tokens = read_folder_tokens(path, config, kind.defaults);

  const auto vocab_file = (path / "vocab.json").string();
  PipelineTokenizer::Parts parts;
  parts.bpe =
      std::make_unique<Bpe>(read_vocabulary(read_json(vocab_file), vocab_file),
                            read_merges_file((path / "merges.txt").string()), Bpe::Options{});
  parts.pre_tokenizer = make_pre_tokenizer(kind.pre_tokenizer);
  parts.decoder = make_decoder({{"type", "ByteLevel"}});
  parts.added = tokens.all();
  parts.normalizer = make_normalizer(kind.normalizer);
  auto made = std::make_unique<PipelineTokenizer>(std::move(parts));
  PostProcessor post;
  auto id_of = [&](const char* name) { return *made->id(tokens.need(name)); };
  if (spec_bool(config, "add_bos_token", false, kTokenizerConfig))
    post.before = {id_of("bos_token")};
  if (spec_bool(config, "add_eos_token", false, kTokenizerConfig))
    post.after = {id_of("eos_token")};
  made->set_post_processor(std::move(post));
  return made;
}

}  // namespace emend::text
