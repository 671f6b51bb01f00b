#pragma once

#include <string>
#include <vector>

#include "editing/editors/ike/ike.h"
#include "editing/patches/patch.h"

namespace emend {

// A patch's memory at work: puts demonstrations and facts in front of a batch's questions.
//
// With one edit a row becomes: the k nearest demonstrations, nearest first, the edit's own, its
// fact, the question. With several the demonstrations are shared out: the nearest of each edit in
// the order of the edits, then the second nearest of each, and so on to k in all, none twice; then
// every edit's own demonstration, then every fact, the latest last, then the question.
//
// What does not fit into the model's positions is left out, until it does: the farthest
// demonstration first, then the edits' own, then the facts of the earliest edits. The latest fact
// is always told. How much is left out depends on a row alone, not on those beside it.
class IkeRecall {
 public:
  // Refers to `vlm`. Throws emend::Error when the memory's entries are none of IKE's.
  IkeRecall(const Vlm& vlm, const Patch& patch);

  // Intervention::rewrite. Throws emend::Error when a row leaves no room for one fact.
  Batch rewrite(const Batch& batch) const;

  // How much is put in front of a row.
  struct Shown {
    int64_t demonstrations, own, facts;
  };
  Shown shown(const Row& row) const;

 private:
  // Text behind a picture (of pictures_; -1: none).
  struct Piece {
    int64_t picture;
    std::string text;
  };
  // A row, taken apart.
  struct Question {
    std::vector<int64_t> slots, ids;  // leading image slots; what is asked behind them
    std::string text;                 // that is what `ids` are; empty: they are no plain text
    std::vector<int64_t> answer;      // fed in
    bool bos = true;                  // whether what is asked begins with head_
  };
  Question take_apart(const Row& row) const;
  Shown cut(int64_t count) const;
  // The row with `count` of count_ things in front. `pictures`: where each of pictures_ is in the
  // batch.
  Row put_together(const Question& question, const Row& row, int64_t count, int64_t pictures) const;
  // The largest count that fits.
  int64_t fitting(const Question& question, const Row& row) const;

  const Vlm& vlm_;
  IkeSettings settings_;
  std::vector<Piece> demonstrations_, own_, facts_;
  std::vector<at::Tensor> pictures_;  // (3, H, W)
  std::vector<int64_t> head_;         // what the tokenizer puts before a text: BOS
  int64_t count_ = 0;                 // all that can be left out, and one
};

}  // namespace emend
