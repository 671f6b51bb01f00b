#include "mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "caption_scores.h"
#include "io/error.h"
#include "io/progress.h"
#include "photo_answers.h"
#include "suites/random.h"

namespace emend::photos {
namespace {

constexpr size_t kAskedTogether = 20, kDrafted = 100;

std::vector<std::string> answers_to(const Vlm& vlm, const PhotoFeatures& features,
                                    const std::vector<Photo>& photos,
                                    const std::vector<EditDraft>& drafts, bool captions) {
  std::vector<std::string> answers;
  for (size_t begin = 0; begin < drafts.size(); begin += kAskedTogether) {
    std::vector<const Photo*> shown;
    std::vector<std::string> prompts;
    for (size_t i = begin; i < std::min(drafts.size(), begin + kAskedTogether); ++i) {
      shown.push_back(&photos[drafts[i].photo]);
      prompts.push_back(captions ? drafts[i].question : question_prompt(drafts[i].question));
    }
    for (const auto& answer :
         photo_answers(vlm, features.stack(shown), prompts, captions ? 30 : 10))
      answers.push_back(answer);
  }
  return answers;
}

// Which answers are mistakes.
std::vector<bool> mistakes_of(const std::vector<Photo>& photos,
                              const std::vector<EditDraft>& drafts,
                              const std::vector<std::string>& answers, bool captions) {
  std::vector<bool> mistakes;
  if (!captions) {
    for (size_t i = 0; i < drafts.size(); ++i)
      mistakes.push_back(is_mistake(answers[i], drafts[i].target));
    return mistakes;
  }
  std::vector<CaptionPair> pairs;
  for (const auto& photo : photos) pairs.push_back({"", photo.captions});
  for (size_t i = 0; i < drafts.size(); ++i) pairs[drafts[i].photo].caption = answers[i];
  const auto scores = score_captions(pairs);
  for (const auto& draft : drafts)
    mistakes.push_back(scores.ciders[draft.photo] < kCaptionMistake);
  return mistakes;
}

}  // namespace

size_t write_mistakes(const Vlm& vlm, const PhotoFeatures& features,
                      const std::vector<Photo>& photos, const std::vector<Photo>& elsewhere,
                      const std::vector<TextFact>& texts, const MistakeOptions& options) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> grids;
  for (const auto& photo : photos) grids.push_back(features.at(photo));
  const PhotoNeighbors neighbors(grids);
  std::mt19937_64 rng(mix(options.seed));
  std::vector<size_t> order(photos.size());
  std::iota(order.begin(), order.end(), size_t{0});
  shuffle(order, rng);
  EditWriter writer(options.folder, photos, elsewhere, texts, options.seed);
  const auto enough = options.limit > 0 ? options.limit : SIZE_MAX;
  Progress progress("edits", static_cast<int64_t>(options.limit));
  size_t asked = 0, next = 0;
  while (next < order.size() && writer.size() < enough) {
    std::vector<EditDraft> drafts;
    for (; next < order.size() && drafts.size() < kDrafted; ++next) {
      if (options.captions) {
        if (!photos[order[next]].captions.empty())
          drafts.push_back(draft_caption(order[next], photos, rng));
      } else {
        for (auto& draft :
             draft_questions(order[next], photos, neighbors, options.questions_per_photo, rng))
          drafts.push_back(std::move(draft));
      }
    }
    const auto answers = answers_to(vlm, features, photos, drafts, options.captions);
    const auto mistakes = mistakes_of(photos, drafts, answers, options.captions);
    for (size_t i = 0; i < drafts.size() && writer.size() < enough; ++i) {
      ++asked;
      if (!mistakes[i]) continue;
      const auto& draft = drafts[i];
      std::optional<size_t> nearest;
      if (options.split == "eval")
        nearest = neighbors.nearest(draft.photo, [&](size_t other) {
          return can_be_unrelated(photos[other], photos[draft.photo]);
        });
      writer.add(draft, answers[i], nearest);
      progress.advance();
    }
  }
  if (writer.size() == 0)
    throw Error("photos::edits",
                fmt::format("the model makes no mistake on {} photos that were asked about", asked),
                "give annotations with questions or captions of more photos");
  writer.commit(options.split);
  return asked;
}

}  // namespace emend::photos
