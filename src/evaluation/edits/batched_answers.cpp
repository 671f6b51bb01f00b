#include "evaluation/edits/batched_answers.h"

#include <optional>

namespace emend {
namespace {

constexpr size_t kPicturesAtOnce = 16;
constexpr size_t kTextsAtOnce = 64;

}  // namespace

std::vector<std::string> batched_answers(const Vlm& vlm,
                                         const std::vector<PictureQuestion>& questions,
                                         const Interventions& interventions,
                                         const GenerationOptions& options, ActivationStore* store) {
  std::vector<std::string> answers(questions.size());
  for (bool pictures : {true, false}) {
    std::vector<size_t> batch;
    auto flush = [&] {
      if (batch.empty()) return;
      std::vector<Query> queries;
      for (auto i : batch) {
        const auto& image = questions[i].image;
        queries.push_back(
            {image.present() ? std::optional(image.load()) : std::nullopt, questions[i].prompt});
      }
      auto texts = generate(vlm, queries, interventions, options, store);
      for (size_t i = 0; i < batch.size(); ++i) answers[batch[i]] = std::move(texts[i]);
      batch.clear();
    };
    for (size_t i = 0; i < questions.size(); ++i) {
      if (questions[i].image.present() != pictures) continue;
      batch.push_back(i);
      if (batch.size() == (pictures ? kPicturesAtOnce : kTextsAtOnce)) flush();
    }
    flush();
  }
  return answers;
}

}  // namespace emend
