#include "text/loading/folder_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/files/path.h"
#include "io/json/json.h"
#include "text/loading/spec.h"
#include "text/pipeline/bpe/vocabulary.h"

namespace emend::text {
namespace {

// A special token is given by its text alone, or with its flags.
AddedToken special_token(const nlohmann::json& value, std::string_view where) {
  AddedToken token;
  if (value.is_string())
    token.content = value.get<std::string>();
  else
    token = read_added_token(value, where);
  token.special = true;
  return token;
}

// tokenizer_config.json, overridden by special_tokens_map.json if the former is of the older kind
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
  if (spec_field(config, "added_tokens_decoder").is_null() && path_exists(file))
    take(read_json(file.string()));
  return merged;
}

std::vector<AddedToken> listed_tokens(const std::filesystem::path& folder,
                                      const nlohmann::json& config,
                                      const std::vector<AddedToken>& special) {
  std::vector<AddedToken> added;
  if (const auto& entries = spec_field(config, "added_tokens_decoder"); !entries.is_null()) {
    if (!entries.is_object())
      malformed(kTokenizerConfig, "'added_tokens_decoder' should be an object");
    for (const auto& [id, entry] : entries.items()) {
      AddedToken token = read_added_token(entry, kTokenizerConfig);
      if (id.empty() || id.size() > 9 || !std::all_of(id.begin(), id.end(), ::isdigit))
        malformed(kTokenizerConfig, fmt::format("'{}' in 'added_tokens_decoder' is not an ID", id));
      token.id = std::stol(id);
      added.push_back(std::move(token));
    }
  } else if (const auto file = folder / "added_tokens.json"; path_exists(file)) {
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
    if (!value.is_null()) special.push_back(special_token(value, kTokenizerConfig));
  };
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    add(spec_field(named, name));
  for (const char* name : {"additional_special_tokens", "extra_special_tokens"})
    for (const auto& value : spec_field(named, name)) add(value);
  return special;
}

}  // namespace

nlohmann::json read_tokenizer_config(const std::filesystem::path& folder) {
  const auto file = folder / kTokenizerConfig;
  if (!path_exists(file)) return nlohmann::json::object();
  auto config = read_json(file.string());
  if (!config.is_object()) malformed(kTokenizerConfig, "should be an object");
  return config;
}

FolderTokens read_folder_tokens(const std::filesystem::path& folder, const nlohmann::json& config,
                                nlohmann::json defaults) {
  FolderTokens tokens;
  tokens.named = special_tokens(folder, config, std::move(defaults));
  tokens.special = all_special(tokens.named);
  tokens.listed = listed_tokens(folder, config, tokens.special);
  return tokens;
}

std::vector<AddedToken> FolderTokens::all() const {
  auto added = listed;
  for (const AddedToken& token : special) {
    const auto same = [&](const AddedToken& one) { return one.content == token.content; };
    const auto known = std::find_if(added.begin(), added.end(), same);
    if (known == added.end())
      added.push_back(token);
    else
      known->special = true;
  }
  return added;
}

std::string FolderTokens::need(const char* name) const {
  const auto& value = spec_field(named, name);
  if (value.is_null())
    malformed(kTokenizerConfig, fmt::format("it enables {} but does not define the token", name));
  return special_token(value, kTokenizerConfig).content;
}

}  // namespace emend::text
