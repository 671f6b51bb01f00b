#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/pipeline/added_tokens.h"

namespace emend::text {

inline constexpr const char* kTokenizerConfig = "tokenizer_config.json";

// An empty object when the folder has none.
nlohmann::json read_tokenizer_config(const std::filesystem::path& folder);

// What a folder says of its tokens beside the vocabulary, in tokenizer_config.json,
// special_tokens_map.json and added_tokens.json.
struct FolderTokens {
  nlohmann::json named;             // bos_token, eos_token, ..., as the files write them
  std::vector<AddedToken> special;  // the named ones, in the order in which transformers adds them
  std::vector<AddedToken> listed;   // those with an id, by id

  // The text of "bos_token" and so on. Throws emend::Error when there is none.
  std::string need(const char* name) const;
};

// `defaults`: named tokens that hold where the folder says nothing.
FolderTokens read_folder_tokens(const std::filesystem::path& folder, const nlohmann::json& config,
                                nlohmann::json defaults);

}  // namespace emend::text
