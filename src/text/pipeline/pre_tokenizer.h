#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/regex.h"

namespace emend::text {

struct Piece {
  std::string text;
  bool first = false;  // where the text starts that was given to encode
};

// Cuts a text into pieces that BPE never merges across.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces every piece by its parts. Pieces are well-formed UTF-8 and stay so; empty ones go.
  virtual void apply(std::vector<Piece>& pieces) const = 0;
};

// The "pre_tokenizer" object of tokenizer.json: ByteLevel, Metaspace, Split, Digits, or a Sequence
// of them. Null when there is none.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const nlohmann::json& spec);

// What becomes of the matches of a Split; names as in tokenizer.json.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex regex, SplitBehavior behavior, bool invert);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

// Writes bytes as the characters of byte_level.h; with use_regex, cuts words as GPT-2 does first.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  bool add_prefix_space_;
  std::unique_ptr<SplitPreTokenizer> split_;  // null without use_regex
};

// Spaces become `replacement` (U+2581), which is put before a piece too when `prepend` says so.
class MetaspacePreTokenizer : public PreTokenizer {
 public:
  enum class Prepend { always, first, never };
  MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  std::string replacement_;
  Prepend prepend_;
  bool split_;  // a piece for every replacement and what follows it
};

// Names as in tokenizer.json's Metaspace, of pre-tokenizer or decoder.
MetaspacePreTokenizer::Prepend read_prepend(const nlohmann::json& spec, std::string_view where);

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps);
  void apply(std::vector<Piece>& pieces) const override;

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace emend::text
