#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/vlm.h"
#include "suites/scenes/scenes.h"
#include "training_batch.h"

namespace emend::pretrain {

// One more subject than in training: a question after an unrelated fact in the context.
inline constexpr int kUnrelated = kSubjects;
inline constexpr int kExamined = kSubjects + 1;
std::string examined_name(int subject);

// A held-out question, with its picture and another picture.
struct Item {
  int subject;  // a scenes::Kind, kCorrection or kUnrelated
  Image picture, other;
  bool pictured = true;
  std::string prompt, answer;
};

// `count` questions of every kind about scenes that are not in the pretraining split, facts in
// held-out wordings, and related and unrelated corrections in the context about those scenes.
std::vector<Item> held_out(int64_t count, uint64_t seed);

// The most frequent answer to every prompt over `count` pretraining scenes: the best possible guess
// without the picture.
std::map<std::string, std::string> usual_answers(int64_t count, uint64_t seed);

enum class PictureChoice { own, gray, swapped };
// Answers from greedy generation.
std::vector<std::string> answers(const Vlm& vlm, const std::vector<Item>& items,
                                 PictureChoice choice);

// Rank-by-rank agreement of the top k tokens, over all real positions, of the model with itself
// after normal noise is added to each weight matrix, with `share` of its standard deviation.
double noisy_locality(const Vlm& vlm, const std::vector<Item>& items, double share, int64_t k,
                      uint64_t seed);

}  // namespace emend::pretrain
