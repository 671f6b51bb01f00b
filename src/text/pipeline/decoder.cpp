#include "text/pipeline/decoder.h"

#include <algorithm>

#include "text/loading/spec.h"
#include "text/pipeline/bpe/byte_fallback.h"
#include "text/pipeline/bpe/byte_level.h"
#include "text/pipeline/normalization/replacement.h"
#include "text/pipeline/pre_tokenizer.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr std::string_view kDecoderKey = "decoder";

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

class ByteLevelDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) bytes += token_bytes(token);
    tokens = {lossy_utf8(bytes)};
  }
};

// A run of byte tokens becomes text, or one U+FFFD for each byte if they are not valid UTF-8.
class ByteFallbackDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    auto flush = [&] {
      if (bytes.empty()) return;
      if (!invalid_utf8(bytes))
        out.push_back(bytes);
      else
        out.insert(out.end(), bytes.size(), "\xef\xbf\xbd");
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const auto byte = token_byte(token)) {
        bytes += static_cast<char>(*byte);
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens = std::move(out);
  }
};

class FuseDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override { tokens = {joined(tokens)}; }
};

class ReplaceDecoder : public Decoder {
 public:
  explicit ReplaceDecoder(const nlohmann::json& spec) : replacement_(spec, kDecoderKey) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) token = replacement_.apply(token);
  }

 private:
  Replacement replacement_;
};

// Removes up to `start` and `stop` copies of `content` from the two ends of every token.
class StripDecoder : public Decoder {
 public:
  explicit StripDecoder(const nlohmann::json& spec)
      : content_(read_character(spec, "content", kDecoderKey)),
        start_(spec_count(spec, "start", kDecoderKey)),
        stop_(spec_count(spec, "stop", kDecoderKey)) {}
  void apply(std::vector<std::string>& tokens) const override {
    const size_t size = content_.size();
    for (std::string& token : tokens) {
      size_t start = 0, end = token.size();
      for (int64_t i = 0; i < start_ && token.compare(start, size, content_) == 0; ++i)
        start += size;
      for (int64_t i = 0;
           i < stop_ && end >= start + size && token.compare(end - size, size, content_) == 0; ++i)
        end -= size;
      token = token.substr(start, end - start);
    }
  }

 private:
  std::string content_;
  int64_t start_, stop_;
};

class MetaspaceDecoder : public Decoder {
 public:
  explicit MetaspaceDecoder(const nlohmann::json& spec)
      : replacement_(read_character(spec, "replacement", kDecoderKey)),
        prepended_(read_prepend(spec, kDecoderKey) != MetaspacePreTokenizer::Prepend::never) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const std::string_view space = i == 0 && prepended_ ? "" : " ";
      std::string text;
      for (size_t at = 0; at < tokens[i].size();) {
        const size_t size = character_size(tokens[i], at);
        const auto character = std::string_view(tokens[i]).substr(at, size);
        text += character == replacement_ ? space : character;
        at += size;
      }
      tokens[i] = std::move(text);
    }
  }

 private:
  std::string replacement_;
  bool prepended_;
};

class SequenceDecoder : public Decoder {
 public:
  explicit SequenceDecoder(const nlohmann::json& spec) {
    for (const auto& step : spec_array(spec, "decoders", kDecoderKey))
      steps_.push_back(make_decoder(step));
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (const auto& step : steps_) step->apply(tokens);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const nlohmann::json& spec) {
  if (spec.is_null()) not_implemented(kDecoderKey, "null");
  const std::string type = spec_type(spec, kDecoderKey);
  if (type == "ByteLevel") return std::make_unique<ByteLevelDecoder>();
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Replace") return std::make_unique<ReplaceDecoder>(spec);
  if (type == "Strip") return std::make_unique<StripDecoder>(spec);
  if (type == "Metaspace") return std::make_unique<MetaspaceDecoder>(spec);
  if (type == "Sequence") return std::make_unique<SequenceDecoder>(spec);
  not_implemented(kDecoderKey, type);
}

}  // namespace emend::text
