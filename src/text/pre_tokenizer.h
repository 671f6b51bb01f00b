#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/regex.h"

namespace emend::text {

// Cuts a text into pieces that BPE never merges across.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces every piece by its parts. Pieces are well-formed UTF-8 and stay so; empty ones go.
  virtual void apply(std::vector<std::string>& pieces) const = 0;
};

// The "pre_tokenizer" object of tokenizer.json: ByteLevel, Split, Digits, or a Sequence of them
// that ends with ByteLevel (which makes bytes of everything).
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const nlohmann::json& spec);

// What becomes of the matches of a Split; names as in tokenizer.json.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex regex, SplitBehavior behavior, bool invert);
  void apply(std::vector<std::string>& pieces) const override;

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex);
  void apply(std::vector<std::string>& pieces) const override;

 private:
  bool add_prefix_space_;
  std::unique_ptr<SplitPreTokenizer> split_;  // null without use_regex
};

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps);
  void apply(std::vector<std::string>& pieces) const override;

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace emend::text
