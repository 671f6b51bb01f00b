#include "text/pipeline/bpe/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "text/loading/spec.h"

namespace emend::text {

Bpe::Vocabulary read_vocabulary(const nlohmann::json& entries, std::string_view where) {
  if (!entries.is_object())
    malformed(where, "the vocabulary should be an object that maps tokens to IDs");
  Bpe::Vocabulary vocabulary;
  vocabulary.reserve(entries.size());
  for (const auto& [token, id] : entries.items())
    vocabulary.emplace(token, to_id(id, token, where));
  return vocabulary;
}

std::unordered_map<int64_t, std::string> tokens_by_id(const Bpe::Vocabulary& vocabulary,
                                                      std::string_view place) {
  std::unordered_map<int64_t, std::string> tokens;
  tokens.reserve(vocabulary.size());
  for (const auto& [token, id] : vocabulary)
    if (const auto [other, fresh] = tokens.emplace(id, token); !fresh)
      throw Error(place,
                  fmt::format("tokens '{}' and '{}' share the ID {}",
                              std::min(token, other->second), std::max(token, other->second), id),
                  "give each token a unique ID");
  return tokens;
}

void unknown_id(int64_t id, int64_t size) {
  throw Error("text::tokenizer",
              fmt::format("the token ID {} does not exist; the vocabulary has {} tokens", id, size),
              "the model's vocabulary may be larger than the tokenizer's; use a smaller ID");
}

AddedToken read_added_token(const nlohmann::json& entry, std::string_view where) {
  AddedToken token;
  token.content = spec_string(entry, "content", where);
  token.special = spec_bool(entry, "special", false, where);
  token.normalized = spec_bool(entry, "normalized", !token.special, where);
  token.single_word = spec_bool(entry, "single_word", false, where);
  token.lstrip = spec_bool(entry, "lstrip", false, where);
  token.rstrip = spec_bool(entry, "rstrip", false, where);
  return token;
}

std::vector<AddedToken> read_added_tokens(const nlohmann::json& root) {
  std::vector<AddedToken> added;
  if (spec_field(root, "added_tokens").is_null()) return added;
  for (const auto& entry : spec_array(root, "added_tokens", "added_tokens")) {
    AddedToken token = read_added_token(entry, "added_tokens");
    token.id = to_id(spec_field(entry, "id"), token.content, "added_tokens");
    added.push_back(std::move(token));
  }
  return added;
}

std::pair<std::string, std::string> read_merge(const std::string& line, size_t number,
                                               std::string_view where) {
  const size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
    malformed(where, fmt::format("merge {} '{}' is not two tokens", number, line));
  return {line.substr(0, space), line.substr(space + 1)};
}

}  // namespace emend::text
