#include "exports/gguf/gguf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "models/config/json_fields.h"
#include "text/loading/chat_template_text.h"
#include "text/loading/folder_tokens.h"
#include "text/loading/spec.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/sentencepiece/model.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kGgufTokenizerPlace = "exports::gguf_tokenizer";
constexpr const char* kGgufPreHint =
    "give the name of an equivalent pre-tokenizer of llama.cpp with --gguf-pre, or use --to hf";

// Types of tokens in llama.cpp.
enum GgufTokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct GgufVocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;  // only of the tokenizer `llama`

  // Places a token. A token of a model that is also an added token takes the type of the latter.
  void set(int64_t id, const std::string& token, int32_t type, float score) {
    if (id < 0 || id >= static_cast<int64_t>(tokens.size()))
      throw Error(kGgufTokenizerPlace,
                  fmt::format("the token '{}' has the ID {}, but the embeddings have {} rows",
                              token, id, tokens.size()),
                  "the tokenizer belongs to another model");
    tokens[id] = token;
    types[id] = type;
    scores[id] = score;
  }
};

GgufVocabulary unused_tokens(int64_t size) {
  GgufVocabulary vocabulary;
  for (int64_t id = 0; id < size; ++id) vocabulary.tokens.push_back(fmt::format("[PAD{}]", id));
  vocabulary.types.assign(size, kUnused);
  vocabulary.scores.assign(size, -1000);
  return vocabulary;
}

void add_added_tokens(GgufVocabulary& vocabulary, const std::vector<text::AddedToken>& added,
                      const std::string& unknown) {
  for (const auto& token : added)
    if (token.id >= 0)
      vocabulary.set(token.id, token.content,
                     token.content == unknown ? kUnknown
                     : token.special          ? kControl
                                              : kUserDefined,
                     0);
}

using GgufMerges = std::vector<std::pair<std::string, std::string>>;

GgufMerges merges_of(const json& model) {
  GgufMerges merges;
  for (const auto& merge : text::spec_array(model, "merges", "model"))
    if (merge.is_string())
      merges.push_back(
          text::read_merge(merge.get_ref<const std::string&>(), merges.size() + 1, "model"));
    else
      merges.emplace_back(merge.at(0).get<std::string>(), merge.at(1).get<std::string>());
  return merges;
}

[[noreturn]] void no_such_tokenizer(const std::string& problem, const char* hint = kGgufPreHint) {
  throw Error(kGgufTokenizerPlace,
              fmt::format("llama.cpp has no tokenizer like that of this model: {}", problem), hint);
}

// Llama 3 and Qwen 2: they differ in the number of digits that a piece can have.
std::string split_pattern(const char* digits) {
  return fmt::format(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*)"
      R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
      digits);
}

bool is_byte_level(const json& step, bool splits) {
  return step.value("type", "") == "ByteLevel" && !step.value("add_prefix_space", true) &&
         step.value("use_regex", true) == splits;
}

// The name of the pre-tokenizer by its definition. llama.cpp has names for some combinations of
// steps; those of other models that use the same steps would do as well.
std::optional<std::string> pre_tokenizer_name(const json& pre, bool ignore_merges) {
  if (!pre.is_object()) return std::nullopt;
  if (pre.value("type", "") != "Sequence")
    return is_byte_level(pre, true) && !ignore_merges ? std::optional<std::string>("gpt-2")
                                                      : std::nullopt;
  const auto steps = pre.value("pretokenizers", json::array());
  if (steps.size() == 1) return pre_tokenizer_name(steps[0], ignore_merges);
  if (steps.size() != 2 || !steps[0].is_object() || !steps[1].is_object()) return std::nullopt;
  const auto& first = steps[0];
  if (first.value("type", "") == "Digits" && first.value("individual_digits", false) &&
      is_byte_level(steps[1], true) && !ignore_merges)
    return "smollm";
  if (first.value("type", "") != "Split" || first.value("behavior", "") != "Isolated" ||
      first.value("invert", false) || !is_byte_level(steps[1], false))
    return std::nullopt;
  const auto pattern = first.value("pattern", json::object()).value("Regex", std::string());
  if (pattern == split_pattern(R"(\p{N}{1,3})")) return ignore_merges ? "llama-bpe" : "smaug-bpe";
  if (pattern == split_pattern(R"(\p{N})") && !ignore_merges) return "qwen2";
  return std::nullopt;
}

bool has_byte_fallback(const json& root) {
  return text::spec_bool(text::spec_object(root, "model", "tokenizer.json"), "byte_fallback", false,
                         "model");
}

void add_byte_level(const json& root, GgufVocabulary& vocabulary, const std::string& unknown,
                    const std::string& given, GgufMetadata& metadata) {
  const auto& model = text::spec_object(root, "model", "tokenizer.json");
  auto pre = given;
  if (pre.empty()) {
    const auto& steps = text::spec_field(root, "pre_tokenizer");
    const auto name =
        pre_tokenizer_name(steps, text::spec_bool(model, "ignore_merges", false, "model"));
    if (!name) no_such_tokenizer(fmt::format("the pre-tokenizer is {}", steps.dump()));
    pre = *name;
    // Qwen's tokenizers compose characters (NFC), which llama.cpp's `qwen2` leaves out.
    const auto& normalizer = text::spec_field(root, "normalizer");
    const auto type = normalizer.is_null() ? "" : normalizer.value("type", std::string());
    if (!type.empty() && !(type == "NFC" && pre == "qwen2"))
      no_such_tokenizer(fmt::format("it normalizes texts ({})", type));
  }
  for (const auto& [token, id] : text::read_vocabulary(text::spec_field(model, "vocab"), "model"))
    vocabulary.set(id, token, kNormal, 0);
  add_added_tokens(vocabulary, text::read_added_tokens(root), unknown);
  // The unknown token of byte-level BPE is never used, and is a control token.
  std::replace(vocabulary.types.begin(), vocabulary.types.end(), int32_t{kUnknown},
               int32_t{kControl});
  std::vector<std::string> merges;
  for (const auto& [left, right] : merges_of(model)) merges.push_back(left + " " + right);
  metadata.emplace_back("tokenizer.ggml.model", std::string("gpt2"));
  metadata.emplace_back("tokenizer.ggml.pre", pre);
  metadata.emplace_back("tokenizer.ggml.tokens", std::move(vocabulary.tokens));
  metadata.emplace_back("tokenizer.ggml.token_type", std::move(vocabulary.types));
  metadata.emplace_back("tokenizer.ggml.merges", std::move(merges));
}

// llama.cpp joins the neighbors that form the token with the highest score. This is what the list
// of merges does, if it has every pair of tokens that forms a token, and the pairs of a token
// follow each other.
void add_merge_scores(const json& model, GgufVocabulary& vocabulary) {
  const auto ids = text::read_vocabulary(text::spec_field(model, "vocab"), "model");
  std::unordered_map<std::string, size_t> pairs;
  std::string last;
  float score = 0;
  for (const auto& [left, right] : merges_of(model)) {
    const auto token = left + right;
    if (token != last) {
      if (pairs.count(token))
        no_such_tokenizer(fmt::format("the merges of '{}' do not follow each other", token),
                          "add the folder's tokenizer.model, or use --to hf");
      vocabulary.scores[ids.at(token)] = -(++score);
      last = token;
    }
    ++pairs[token];
  }
  for (const auto& [token, id] : ids) {
    size_t splits = 0;
    for (size_t at = 1; at < token.size(); ++at)
      splits += ids.count(token.substr(0, at)) && ids.count(token.substr(at));
    if (pairs.count(token) && splits != pairs[token])
      no_such_tokenizer(
          fmt::format("the token '{}' has {} of {} possible merges", token, pairs[token], splits),
          "add the folder's tokenizer.model, or use --to hf");
    if (!pairs.count(token) && vocabulary.types[id] == kNormal)
      vocabulary.scores[id] = -(score + 1);
  }
}

void add_sentence_piece(const fs::path& folder, const std::optional<json>& root,
                        GgufVocabulary& vocabulary, const text::FolderTokens& tokens,
                        const std::string& unknown, bool add_space, GgufMetadata& metadata) {
  if (const auto file = folder / "tokenizer.model"; is_file(file)) {
    const auto model = text::read_sentencepiece_model(read_file(file.string()), file.string());
    for (size_t id = 0; id < model.pieces.size(); ++id)
      vocabulary.set(static_cast<int64_t>(id), model.pieces[id].text,
                     static_cast<int32_t>(model.pieces[id].type), model.pieces[id].score);
    for (const auto& token : root ? text::read_added_tokens(*root) : tokens.listed)
      if (token.id >= static_cast<int64_t>(model.pieces.size()))
        add_added_tokens(vocabulary, {token}, unknown);
  } else {
    const auto& model = text::spec_object(*root, "model", "tokenizer.json");
    for (const auto& [token, id] :
         text::read_vocabulary(text::spec_field(model, "vocab"), "model")) {
      const bool byte = token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
      vocabulary.set(id, token, byte ? kByte : kNormal, 0);
    }
    add_merge_scores(model, vocabulary);
    add_added_tokens(vocabulary, text::read_added_tokens(*root), unknown);
  }
  metadata.emplace_back("tokenizer.ggml.model", std::string("llama"));
  metadata.emplace_back("tokenizer.ggml.pre", std::string("default"));
  metadata.emplace_back("tokenizer.ggml.tokens", std::move(vocabulary.tokens));
  metadata.emplace_back("tokenizer.ggml.scores", std::move(vocabulary.scores));
  metadata.emplace_back("tokenizer.ggml.token_type", std::move(vocabulary.types));
  metadata.emplace_back("tokenizer.ggml.add_space_prefix", add_space);
}

std::string token_text(const json& token) {
  if (token.is_string()) return token.get<std::string>();
  return token.is_object() ? token.value("content", std::string()) : std::string();
}

// The ID of "bos", "eos", ...: that of the folder's special token, or else that of config.json.
std::optional<int64_t> special_id(const std::string& role, const text::FolderTokens& tokens,
                                  const Tokenizer& tokenizer, const JsonFields& config) {
  const auto name = token_text(text::spec_field(tokens.named, (role + "_token").c_str()));
  if (!name.empty())
    if (const auto id = tokenizer.id(name)) return id;
  const auto key = role + "_token_id";
  auto ids = config.ids(key.c_str());
  if (ids.empty()) ids = config.object("text_config").ids(key.c_str());
  return ids.empty() ? std::nullopt : std::optional(ids.front());
}

// The tokens that the tokenizer puts before and after a text.
struct AddedAround {
  std::vector<int64_t> before, after;
};
AddedAround added_around(const Tokenizer& tokenizer) {
  const auto plain = tokenizer.encode("a", false), whole = tokenizer.encode("a", true);
  const auto found = std::search(whole.begin(), whole.end(), plain.begin(), plain.end());
  if (found == whole.end())
    no_such_tokenizer("special tokens change the tokens of a text", "use --to hf");
  const auto end = found + static_cast<std::ptrdiff_t>(plain.size());
  return {{whole.begin(), found}, {end, whole.end()}};
}

// llama.cpp puts BOS before a text, so that a token that the tokenizer puts there is BOS, whatever
// the folder calls it. It puts EOS after a text, which also ends answers.
void add_special_tokens(const Tokenizer& tokenizer, const text::FolderTokens& tokens,
                        const JsonFields& config, int64_t vocabulary, GgufMetadata& metadata) {
  const auto [before, after] = added_around(tokenizer);
  std::optional<int64_t> eos;
  for (const auto& [role, key] :
       {std::pair{"bos", "bos"}, {"eos", "eos"}, {"unk", "unknown"}, {"pad", "padding"}}) {
    auto id = special_id(role, tokens, tokenizer, config);
    if (key == std::string("bos") && !before.empty()) id = before[0];
    if (key == std::string("eos")) eos = id;
    if (!id || *id < 0) continue;
    if (*id >= vocabulary)
      throw Error(
          kGgufTokenizerPlace,
          fmt::format("{}_token_id is {}, but the embeddings have {} rows", role, *id, vocabulary),
          "correct config.json or tokenizer_config.json");
    metadata.emplace_back(fmt::format("tokenizer.ggml.{}_token_id", key),
                          static_cast<uint32_t>(*id));
  }
  if (before.size() > 1 || after.size() > 1 || (!after.empty() && eos != after[0]))
    no_such_tokenizer(
        fmt::format("it puts {} tokens before and {} after a text, of which only one BOS and the "
                    "EOS are possible",
                    before.size(), after.size()),
        "use --to hf");
  metadata.emplace_back("tokenizer.ggml.add_bos_token", !before.empty());
  metadata.emplace_back("tokenizer.ggml.add_eos_token", !after.empty());
}

}  // namespace

GgufMetadata gguf_tokenizer(const std::string& folder, int64_t vocabulary_size,
                            const std::string& pre) {
  const fs::path path(folder);
  const auto config = text::read_tokenizer_config(path);
  std::optional<json> root;
  if (const auto file = path / "tokenizer.json"; is_file(file)) root = read_json(file.string());
  const bool sentence_piece = is_file(path / "tokenizer.model");
  if (!root && !sentence_piece)
    throw Error(kGgufTokenizerPlace,
                fmt::format("'{}' has no tokenizer.json and no tokenizer.model", folder),
                "save the tokenizer with transformers (AutoTokenizer.save_pretrained)");
  const auto tokenizer = Tokenizer::load(folder);
  auto tokens = text::read_folder_tokens(path, config, json::object());
  const auto unknown = token_text(text::spec_field(tokens.named, "unk_token"));

  GgufMetadata metadata;
  auto vocabulary = unused_tokens(vocabulary_size);
  const bool bytes_fall_back = !root || has_byte_fallback(*root);
  if (!bytes_fall_back) {
    add_byte_level(*root, vocabulary, unknown, pre, metadata);
  } else {
    if (!pre.empty())
      throw Error(kGgufTokenizerPlace,
                  "--gguf-pre is for byte-level BPE, but this model has SentencePiece",
                  "leave it out");
    // A space is put before a text, if its first token differs from that inside a text.
    const auto first = tokenizer->encode("a", false);
    const bool add_space = !first.empty() && tokenizer->token(first[0]).starts_with("\u2581");
    add_sentence_piece(path, root, vocabulary, tokens, unknown.empty() ? "<unk>" : unknown,
                       add_space, metadata);
  }
  const auto model_config = read_json_object((path / "config.json").string());
  add_special_tokens(*tokenizer, tokens, JsonFields("config.json", model_config), vocabulary_size,
                     metadata);
  if (const auto chat = text::read_chat_template(path, config))
    metadata.emplace_back("tokenizer.chat_template", chat->text);
  return metadata;
}

}  // namespace emend
