#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "io/json.h"
#include "text/loaders.h"
#include "text/pipeline_tokenizer.h"
#include "text/spec.h"
#include "text/vocabulary.h"

namespace emend::text {
namespace {

constexpr const char* kConfig = "tokenizer_config.json";

// What the tokenizer class of transformers adds to vocab.json and merges.txt.
struct Kind {
  nlohmann::json normalizer;
  nlohmann::json pre_tokenizer;
  nlohmann::json defaults;  // special tokens that hold when the folder does not name them
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
  const bool prefix = spec_bool(config, "add_prefix_space", false, kConfig);
  if (spec_field(config, "tokenizer_class").is_null()) return gpt2(prefix);
  const std::string name = spec_string(config, "tokenizer_class", kConfig);
  if (name == "GPT2Tokenizer" || name == "GPT2TokenizerFast") return gpt2(prefix);
  if (name == "Qwen2Tokenizer" || name == "Qwen2TokenizerFast") return qwen2(prefix);
  not_implemented("tokenizer_class", name);
}

Bpe::Merges read_merges(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error("text::tokenizer", fmt::format("'{}' cannot be opened", file));
  Bpe::Merges merges;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.rfind("#version", 0) == 0) continue;
    merges.push_back(read_merge(line, merges.size() + 1, file));
  }
  if (in.bad()) throw Error("text::tokenizer", fmt::format("'{}' cannot be read", file));
  return merges;
}

// A special token is named by its text alone or with its flags.
AddedToken special_token(const nlohmann::json& value, std::string_view where) {
  AddedToken token;
  if (value.is_string())
    token.content = value.get<std::string>();
  else
    token = read_added_token(value, where);
  token.special = true;
  return token;
}

// tokenizer_config.json, overridden by special_tokens_map.json where the former is of the old kind
// that does not list its added tokens.
nlohmann::json special_tokens(const std::filesystem::path& folder, const nlohmann::json& config,
                              nlohmann::json merged) {
  static constexpr const char* kNames[] = {
      "bos_token",           "eos_token", "unk_token",  "sep_token",
      "pad_token",           "cls_token", "mask_token", "additional_special_tokens",
      "extra_special_tokens"};
  auto take = [&](const nlohmann::json& from) {
    for (const char* name : kNames)
      if (from.is_object() && from.contains(name)) merged[name] = from[name];
  };
  take(config);
  const auto file = folder / "special_tokens_map.json";
  if (spec_field(config, "added_tokens_decoder").is_null() && std::filesystem::exists(file))
    take(read_json(file.string()));
  return merged;
}

std::vector<AddedToken> listed_tokens(const std::filesystem::path& folder,
                                      const nlohmann::json& config,
                                      const std::vector<AddedToken>& special) {
  std::vector<AddedToken> added;
  if (const auto& entries = spec_field(config, "added_tokens_decoder"); !entries.is_null()) {
    if (!entries.is_object()) malformed(kConfig, "'added_tokens_decoder' should be an object");
    for (const auto& [id, entry] : entries.items()) {
      AddedToken token = read_added_token(entry, kConfig);
      if (id.empty() || id.size() > 9 || !std::all_of(id.begin(), id.end(), ::isdigit))
        malformed(kConfig, fmt::format("'{}' in 'added_tokens_decoder' is not an id", id));
      token.id = std::stol(id);
      added.push_back(std::move(token));
    }
  } else if (const auto file = folder / "added_tokens.json"; std::filesystem::exists(file)) {
    for (const auto& [content, id] : read_vocabulary(read_json(file.string()), file.string())) {
      AddedToken token;
      token.content = content;
      token.id = id;
      token.special = std::any_of(special.begin(), special.end(),
                                  [&](const AddedToken& one) { return one.content == content; });
      token.normalized = !token.special;
      added.push_back(std::move(token));
    }
  }
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return added;
}

std::vector<AddedToken> all_special(const nlohmann::json& named) {
  std::vector<AddedToken> special;
  auto add = [&](const nlohmann::json& value) {
    if (!value.is_null()) special.push_back(special_token(value, kConfig));
  };
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    add(spec_field(named, name));
  for (const char* name : {"additional_special_tokens", "extra_special_tokens"})
    for (const auto& value : spec_field(named, name)) add(value);
  return special;
}

}  // namespace

std::unique_ptr<Tokenizer> load_vocab_merges(const std::string& folder) {
  const std::filesystem::path path(folder);
  nlohmann::json config = nlohmann::json::object();
  if (std::filesystem::exists(path / kConfig)) config = read_json((path / kConfig).string());
  if (!config.is_object()) malformed(kConfig, "should be an object");
  const Kind kind = kind_of(config);
  const auto named = special_tokens(path, config, kind.defaults);
  const auto special = all_special(named);

  std::vector<AddedToken> added = listed_tokens(path, config, special);
  for (const AddedToken& token : special) {
    const auto same = [&](const AddedToken& one) { return one.content == token.content; };
    const auto known = std::find_if(added.begin(), added.end(), same);
    if (known == added.end())
      added.push_back(token);
    else
      known->special = true;
  }

  const auto vocab_file = (path / "vocab.json").string();
  PipelineTokenizer::Parts parts;
  parts.bpe = std::make_unique<Bpe>(read_vocabulary(read_json(vocab_file), vocab_file),
                                    read_merges((path / "merges.txt").string()), Bpe::Options{});
  parts.pre_tokenizer = make_pre_tokenizer(kind.pre_tokenizer);
  parts.decoder = make_decoder({{"type", "ByteLevel"}});
  parts.added = std::move(added);
  parts.normalizer = make_normalizer(kind.normalizer);
  auto made = std::make_unique<PipelineTokenizer>(std::move(parts));
  PostProcessor post;
  auto id_of = [&](const char* name) {
    const auto& value = spec_field(named, name);
    if (value.is_null())
      malformed(kConfig, fmt::format("it asks to add a {} but names none", name));
    return *made->id(special_token(value, kConfig).content);
  };
  if (spec_bool(config, "add_bos_token", false, kConfig)) post.before = {id_of("bos_token")};
  if (spec_bool(config, "add_eos_token", false, kConfig)) post.after = {id_of("eos_token")};
  made->set_post_processor(std::move(post));
  return made;
}

}  // namespace emend::text
