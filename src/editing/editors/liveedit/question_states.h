#pragma once

#include "models/core/pass.h"

namespace emend {

// The residual stream of questions at the layer of LiveEdit, and which positions have which part.
// A question ends where the answer begins (Pass::prompt_lengths).
struct QuestionStates {
  at::Tensor hidden;    // (B, T, W) float32
  at::Tensor picture;   // (B, T) bool: the image tokens
  at::Tensor question;  // (B, T) bool: the text after the last image token
  at::Tensor answer;    // (B, T) bool: the teacher-forced answer

  // `answer_lengths`, (B) int64, cuts the answers; undefined: they are complete. A question without
  // text after its last image token has its text before it.
  static QuestionStates of(const Pass& pass, const at::Tensor& hidden,
                           const at::Tensor& answer_lengths = {});
  // The rows with these indices.
  QuestionStates rows(const at::Tensor& index) const;
};

}  // namespace emend
