#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/regex.h"

namespace emend::text {

// A part of a text that is tokenized on its own.
struct Piece {
  std::string text;
  bool first = false;  // at the start of the encoded text
};

// Splits a text into pieces. BPE does not merge across pieces.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces every piece by its parts. Pieces are valid UTF-8; empty ones are removed.
  virtual void apply(std::vector<Piece>& pieces) const = 0;
};

// Reads the "pre_tokenizer" object of tokenizer.json: ByteLevel, Metaspace, Split, Digits, or a
// Sequence of them. Null if there is none.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const nlohmann::json& spec);

// What a Split does with its matches; names as in tokenizer.json.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// Splits at the matches of a regular expression.
class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex regex, SplitBehavior behavior, bool invert);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

// Maps bytes to the characters of byte_level.h. With use_regex, it first splits words as GPT-2
// does.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  bool add_prefix_space_;
  std::unique_ptr<SplitPreTokenizer> split_;  // null without use_regex
};

// Replaces spaces by `replacement` (U+2581), and also prepends it to pieces according to `prepend`.
class MetaspacePreTokenizer : public PreTokenizer {
 public:
  enum class Prepend { always, first, never };
  MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  std::string replacement_;
  Prepend prepend_;
  bool split_;  // one piece for each replacement and the text after it
};

// Reads the setting of Metaspace in a pre-tokenizer or decoder of tokenizer.json.
MetaspacePreTokenizer::Prepend read_prepend(const nlohmann::json& spec, std::string_view where);

// Applies several pre-tokenizers, one after another.
class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace emend::text
