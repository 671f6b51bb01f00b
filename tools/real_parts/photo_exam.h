#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/vlm.h"
#include "photo_batch.h"
#include "photo_features.h"
#include "text_lines.h"

namespace emend::photos {

// What the model is shown: the photo, another photo of the same list, or features that are all
// zero.
enum class Shown { own, other, nothing };

// Exact match of greedy answers about photos, and the captions, under each condition, with standard
// errors. Differences are paired: between the same questions or photos.
nlohmann::json examine_captions(const Vlm& vlm, const PhotoFeatures& features,
                                const std::vector<Photo>& photos);
// `train` has the questions for the two baselines without a model: the most frequent answer, and
// the most frequent answer to the same question (or else the former). `generate`: also the
// generated answer to each question under each condition.
nlohmann::json examine_questions(const Vlm& vlm, const PhotoFeatures& features,
                                 const std::vector<Photo>& photos, const std::vector<Photo>& train,
                                 bool generate);
// Without pictures: perplexity of the rewordings and exact match of the true completions of facts,
// and the fraction of facts whose true completion has a larger probability than the counterfactual
// one.
nlohmann::json examine_texts(const Vlm& vlm, const std::vector<Fact>& facts);

}  // namespace emend::photos
