#include "text/pipeline/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "text/pipeline/bpe/byte_level.h"
#include "text/strings.h"

namespace emend::text {
namespace {

// GPT-2's pattern: contractions, words, numbers, other characters, white space (the last space
// belongs to the next word).
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Span {
  size_t start, end;
  bool match;
};

// Divides the whole text into spans: the matches and the parts between them.
std::vector<Span> spans(const Regex& regex, const std::string& text, bool invert) {
  std::vector<Span> found;
  size_t done = 0;
  for (const auto& match : regex.find_all(text)) {
    if (match.start > done) found.push_back({done, match.start, invert});
    found.push_back({match.start, match.end, !invert});
    done = match.end;
  }
  if (done < text.size()) found.push_back({done, text.size(), invert});
  return found;
}

std::vector<Span> merge(const std::vector<Span>& in, SplitBehavior behavior) {
  if (behavior == SplitBehavior::isolated) return in;
  std::vector<Span> out;
  bool previous = false;  // whether the previous span is a match
  switch (behavior) {
    case SplitBehavior::removed:
      for (const Span& span : in)
        if (!span.match) out.push_back(span);
      break;
    case SplitBehavior::contiguous:
      for (const Span& span : in)
        if (!out.empty() && out.back().match == span.match)
          out.back().end = span.end;
        else
          out.push_back(span);
      break;
    case SplitBehavior::merged_with_previous:
      for (const Span& span : in) {
        if (span.match && !previous && !out.empty())
          out.back().end = span.end;
        else
          out.push_back(span);
        previous = span.match;
      }
      break;
    case SplitBehavior::merged_with_next:
      for (auto span = in.rbegin(); span != in.rend(); ++span) {
        if (span->match && !previous && !out.empty())
          out.back().start = span->start;
        else
          out.push_back(*span);
        previous = span->match;
      }
      out = {out.rbegin(), out.rend()};
      break;
    case SplitBehavior::isolated:
      break;
  }
  return out;
}

}  // namespace

SplitPreTokenizer::SplitPreTokenizer(Regex regex, SplitBehavior behavior, bool invert)
    : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

void SplitPreTokenizer::apply(std::vector<Piece>& pieces) const {
  std::vector<Piece> parts;
  for (const Piece& piece : pieces)
    for (const Span& span : merge(spans(regex_, piece.text, invert_), behavior_))
      if (span.start < span.end)
        parts.push_back(
            {piece.text.substr(span.start, span.end - span.start), piece.first && span.start == 0});
  pieces = std::move(parts);
}

ByteLevelPreTokenizer::ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
    : add_prefix_space_(add_prefix_space) {
  if (use_regex)
    split_ = std::make_unique<SplitPreTokenizer>(Regex(kGpt2), SplitBehavior::isolated, false);
}

void ByteLevelPreTokenizer::apply(std::vector<Piece>& pieces) const {
  if (add_prefix_space_)
    for (Piece& piece : pieces)
      if (piece.text.front() != ' ') piece.text.insert(0, 1, ' ');
  if (split_) split_->apply(pieces);
  for (Piece& piece : pieces) piece.text = byte_symbols(piece.text);
}

MetaspacePreTokenizer::MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split)
    : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}

void MetaspacePreTokenizer::apply(std::vector<Piece>& pieces) const {
  std::vector<Piece> parts;
  for (const Piece& piece : pieces) {
    std::string text = replace_all(piece.text, " ", replacement_);
    const bool wanted = prepend_ == Prepend::always || (prepend_ == Prepend::first && piece.first);
    if (wanted && !text.starts_with(replacement_)) text.insert(0, replacement_);
    for (size_t start = 0; start < text.size();) {
      const size_t next = split_ ? text.find(replacement_, start + 1) : std::string::npos;
      const size_t end = std::min(next, text.size());
      parts.push_back({text.substr(start, end - start), piece.first && start == 0});
      start = end;
    }
  }
  pieces = std::move(parts);
}

SequencePreTokenizer::SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps)
    : steps_(std::move(steps)) {}

void SequencePreTokenizer::apply(std::vector<Piece>& pieces) const {
  for (const auto& step : steps_) step->apply(pieces);
}

}  // namespace emend::text
