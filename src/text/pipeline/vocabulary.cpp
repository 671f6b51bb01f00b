#include "text/pipeline/vocabulary.h"

#include <fmt/format.h>

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

std::pair<std::string, std::string> read_merge(const std::string& line, size_t number,
                                               std::string_view where) {
  const size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
    malformed(where, fmt::format("merge {} '{}' is not two tokens", number, line));
  return {line.substr(0, space), line.substr(space + 1)};
}

}  // namespace emend::text
