#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace emend::text {

// Converts tokens to text in steps; the final text is the concatenation of the tokens.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& tokens) const = 0;
};

// The "decoder" object of tokenizer.json: ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Strip,
// or a Sequence of them.
std::unique_ptr<Decoder> make_decoder(const nlohmann::json& spec);

}  // namespace emend::text
