#pragma once

#include <ATen/ATen.h>

#include <string>

#include "nn/loss.h"

namespace emend {

// Pure functions of logits or texts, as the field teacher-forces them. Shapes: logits (B, T, V) of
// any floating dtype, computed in float32; labels (B, T) int64 with kIgnored where nothing counts.
// The logits of position t predict the label of t + 1. All throw emend::Error for logits that hold
// NaN and for a row that nothing is asked of.

// What the ranks of a locality are taken on. The scores are computed in float32; `dtype` is what
// the logits, and then their softmax, are rounded to, as a model of that dtype rounds them: float16
// and bfloat16 make ties.
struct Ranking {
  enum class On { logits, softmax };
  On on = On::softmax;
  at::ScalarType dtype = at::kFloat;

  static const Ranking logits_float32, softmax_float32, softmax_float16, softmax_bfloat16;
};
inline const Ranking Ranking::logits_float32{On::logits, at::kFloat};
inline const Ranking Ranking::softmax_float32{On::softmax, at::kFloat};
inline const Ranking Ranking::softmax_float16{On::softmax, at::kHalf};
inline const Ranking Ranking::softmax_bfloat16{On::softmax, at::kBFloat16};

// -sum(m * log p) / sum(m) over the batch.
double nll(const at::Tensor& logits, const at::Tensor& labels);
// sum((argmax == label) & m) / sum(m) over the batch.
double token_accuracy(const at::Tensor& logits, const at::Tensor& labels);
// Share of rows whose every counted position is right.
double exact_match(const at::Tensor& logits, const at::Tensor& labels);

// scores: (N, V) -> (N, min(k, V)) int64, best first; ties to the lowest id.
at::Tensor top_ids(const at::Tensor& scores, int64_t k, Ranking ranking);
// before, after: (N, k) of the N real positions: share of (position, rank) with the same id.
double rank_agreement(const at::Tensor& before, const at::Tensor& after);
// Rank-by-rank agreement of the k best over real positions (mask (B, T) bool), image slots and
// prompt included, not shifted; every row counts the same, as the field's batches of one do.
double locality(const at::Tensor& before, const at::Tensor& after, const at::Tensor& mask,
                int64_t k, Ranking ranking);
// sum(mask * KL(softmax(before) || softmax(after))) / sum(mask).
double kl_locality(const at::Tensor& before, const at::Tensor& after, const at::Tensor& mask);

// Lower-case (ASCII), white space collapsed and trimmed, one final period dropped.
std::string normalised(const std::string& answer);
bool same_answer(const std::string& a, const std::string& b);
// Whether a text that goes on begins with the answer, as whole words; compared as above.
bool begins_with_answer(const std::string& text, const std::string& answer);

// As answers are processed before VQA accuracy (Antol et al., ICCV 2015; visualqa.org): lower-case,
// number words to digits, articles dropped, contractions given their apostrophe, punctuation to
// spaces but apostrophes and colons, no comma within a number, no period but a decimal one. An
// answer that is nothing but articles stays, or it would equal every empty one.
std::string vqa_normalised(const std::string& answer);
bool vqa_same_answer(const std::string& a, const std::string& b);

}  // namespace emend
