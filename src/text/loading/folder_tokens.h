#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/pipeline/added_tokens.h"

namespace emend::text {

inline constexpr const char* kTokenizerConfig = "tokenizer_config.json";

// An empty object if the folder has no tokenizer_config.json.
nlohmann::json read_tokenizer_config(const std::filesystem::path& folder);

// The tokens that a folder defines in addition to the vocabulary, in tokenizer_config.json,
// special_tokens_map.json and added_tokens.json.
struct FolderTokens {
  nlohmann::json named;  // bos_token, eos_token, ..., as in the files
  std::vector<AddedToken>
      special;                     // the named tokens, in the order in which transformers adds them
  std::vector<AddedToken> listed;  // tokens with an ID, sorted by ID

  // The listed tokens, then the special tokens that are not listed, without an ID.
  std::vector<AddedToken> all() const;
  // The text of "bos_token" and so on. Throws emend::Error if the folder does not define it.
  std::string need(const char* name) const;
};

// `defaults`: named tokens that are used if the folder does not define them.
FolderTokens read_folder_tokens(const std::filesystem::path& folder, const nlohmann::json& config,
                                nlohmann::json defaults);

}  // namespace emend::text
