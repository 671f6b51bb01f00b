#pragma once

#include <ATen/ATen.h>

#include <string>

#include "nn/loss.h"

namespace emend {

// Pure functions of logits or texts: the teacher-forced metrics of the literature. Shapes: logits
// (B, T, V) of any floating dtype, computed in float32; labels (B, T) int64 with kIgnored at
// positions that do not count. The logits of position t predict the label of t + 1. All throw
// emend::Error for NaN logits and for a row without a counted label.

// What locality ranks. Scores are computed in float32. `dtype` is the dtype to which the logits,
// and then their softmax, are rounded, as in a model of that dtype; float16 and bfloat16 create
// ties.
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
// The share of rows in which every counted position is right.
double exact_match(const at::Tensor& logits, const at::Tensor& labels);

// scores: (N, V) -> (N, min(k, V)) int64, best first; ties go to the lowest ID.
at::Tensor top_ids(const at::Tensor& scores, int64_t k, Ranking ranking);
// before, after: (N, k) of the N unpadded positions. The share of (position, rank) with the same
// ID.
double rank_agreement(const at::Tensor& before, const at::Tensor& after);
// Rank-by-rank agreement of the k best tokens over unpadded positions (mask (B, T) bool), including
// image tokens and prompt, without shift. Each row has the same weight, as in EasyEdit's batches of
// one.
double locality(const at::Tensor& before, const at::Tensor& after, const at::Tensor& mask,
                int64_t k, Ranking ranking);
// sum(mask * KL(softmax(before) || softmax(after))) / sum(mask).
double kl_locality(const at::Tensor& before, const at::Tensor& after, const at::Tensor& mask);

// Lower-cases ASCII, collapses and trims white space, and removes one final period.
std::string normalized(const std::string& answer);
bool same_answer(const std::string& a, const std::string& b);
// Whether a text begins with the answer, as whole words, after the same normalization.
bool begins_with_answer(const std::string& text, const std::string& answer);

// The answer processing of VQA accuracy (Antol et al., ICCV 2015; visualqa.org): lower case, number
// words to digits, no articles, apostrophes in contractions, punctuation except apostrophes and
// colons to spaces, no commas in numbers, only decimal periods. An answer of articles only is kept,
// because it would equal an empty answer.
std::string vqa_normalized(const std::string& answer);
bool vqa_same_answer(const std::string& a, const std::string& b);

}  // namespace emend
