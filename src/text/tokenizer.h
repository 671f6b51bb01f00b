#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Converts text to token IDs and back, with the results of Hugging Face tokenizers.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Loads a folder with tokenizer.json, or vocab.json and merges.txt, or tokenizer.model, or
  // vocab.txt (and tokenizer_config.json); the first of these that exists. Throws emend::Error if
  // there is none, or if a setting is not implemented.
  static std::unique_ptr<Tokenizer> load(const std::string& folder);

  // text: UTF-8; otherwise throws emend::Error with the byte offset. `special`: add the tokens of
  // the post-processor (BOS, ...).
  virtual std::vector<int64_t> encode(std::string_view text, bool special) const = 0;
  virtual std::string decode(const std::vector<int64_t>& ids, bool skip_special = true) const = 0;

  virtual int64_t size() const = 0;  // including added tokens
  virtual std::optional<int64_t> id(std::string_view token) const = 0;
  virtual std::string token(int64_t id) const = 0;
};

}  // namespace emend
