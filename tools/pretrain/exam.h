#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lessons.h"
#include "models/vlm.h"
#include "suites/scenes/scenes.h"

namespace emend::pretrain {

// Besides the subjects that are taught: a question after a told fact that has nothing to do with
// it.
inline constexpr int kUnrelated = kSubjects;
inline constexpr int kExamined = kSubjects + 1;
std::string examined_name(int subject);

// One held-out question, with the picture it is about and another picture.
struct Item {
  int subject;  // a scenes::Kind, kCorrection or kUnrelated
  Image picture, other;
  bool pictured = true;
  std::string prompt, answer;
};

// `count` questions of every kind about scenes that pretraining never shows, facts in wordings that
// it never uses, and corrections in the context about those scenes, to the point and beside it.
std::vector<Item> held_out(int64_t count, uint64_t seed);

// The most frequent answer to every prompt over `count` scenes of pretraining: the best that can be
// said from the words alone.
std::map<std::string, std::string> usual_answers(int64_t count, uint64_t seed);

enum class Sight { own, grey, swapped };
// Generated answers, greedy.
std::vector<std::string> answers(const Vlm& vlm, const std::vector<Item>& items, Sight sight);

// Rank-by-rank agreement of the top k, over every real position, of the model with itself when each
// weight matrix is moved by normal noise of `share` of its deviation.
double noisy_locality(const Vlm& vlm, const std::vector<Item>& items, double share, int64_t k,
                      uint64_t seed);

}  // namespace emend::pretrain
