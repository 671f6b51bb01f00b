#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Text to token ids and back, as Hugging Face tokenizers does it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // A folder with tokenizer.json, or vocab.json and merges.txt, or tokenizer.model, or vocab.txt
  // (and their tokenizer_config.json); the first of these that is there. Throws emend::Error when
  // there is none or it asks for something that is not implemented.
  static std::unique_ptr<Tokenizer> load(const std::string& folder);

  // text: UTF-8; throws emend::Error with the byte offset when it is not. `special`: add what the
  // tokenizer's post-processor adds (BOS, ...).
  virtual std::vector<int64_t> encode(std::string_view text, bool special) const = 0;
  virtual std::string decode(const std::vector<int64_t>& ids, bool skip_special = true) const = 0;

  virtual int64_t size() const = 0;  // with added tokens
  virtual std::optional<int64_t> id(std::string_view token) const = 0;
  virtual std::string token(int64_t id) const = 0;
};

}  // namespace emend
