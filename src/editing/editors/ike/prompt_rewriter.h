#pragma once

#include <string>
#include <vector>

#include "editing/editors/ike/ike.h"
#include "editing/patches/patch.h"

namespace emend {

// Applies the memory of a patch to a batch: puts demonstrations and facts before the questions.
//
// With one edit, a row consists of the k nearest demonstrations (nearest first), the edit's own
// demonstration, its fact, and the question. With several edits, the k demonstrations are shared:
// the nearest one of each edit in the order of the edits, then the second nearest of each, and so
// on, without duplicates; then the own demonstration of every edit, then every fact (the latest
// last), then the question.
//
// Items that do not fit into the model's positions are omitted: first the least similar
// demonstrations, then the edits' own demonstrations, then the facts of the earliest edits. The
// latest fact is never omitted. The number of omitted items depends only on the row, not on the
// batch.
class IkePromptRewriter {
 public:
  // Keeps a reference to `vlm`. Throws emend::Error if the entries of the memory are malformed.
  IkePromptRewriter(const Vlm& vlm, const Patch& patch);

  // Intervention::rewrite. Throws emend::Error if a row leaves no room for one fact.
  Batch rewrite(const Batch& batch) const;

  // Returns how many items are put before a row.
  struct ItemCounts {
    int64_t demonstrations, own, facts;
  };
  ItemCounts shown(const Row& row) const;

 private:
  // Text after a picture (index into pictures_; -1: no picture).
  struct Piece {
    int64_t picture;
    std::string text;
  };
  // The parts of a row.
  struct Question {
    std::vector<int64_t> image_tokens, ids;  // the leading image tokens, and the prompt after them
    std::string text;                        // the text of `ids`; empty if they are not plain text
    std::vector<int64_t> answer;             // teacher-forced
    bool bos = true;                         // whether the prompt begins with head_
  };
  Question parse_row(const Row& row) const;
  ItemCounts item_counts(int64_t count) const;
  // Builds the row with `count` of count_ items before the question. `pictures` is the index of the
  // first of pictures_ in the batch.
  Row build_row(const Question& question, const Row& row, int64_t count, int64_t pictures) const;
  // Returns the largest count that fits.
  int64_t largest_fitting_count(const Question& question, const Row& row) const;

  const Vlm& vlm_;
  IkeSettings settings_;
  std::vector<Piece> demonstrations_, own_, facts_;
  std::vector<at::Tensor> pictures_;  // (3, H, W)
  std::vector<int64_t> head_;  // the special tokens that the tokenizer puts before a text (BOS)
  int64_t count_ = 0;          // the number of items that can be omitted, plus 1
};

}  // namespace emend
