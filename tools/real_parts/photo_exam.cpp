#include "photo_exam.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "caption_scores.h"
#include "io/progress.h"
#include "io/runtime.h"
#include "photo_answers.h"

namespace emend::photos {
namespace {

using nlohmann::json;
constexpr std::pair<Shown, const char*> kConditions[] = {
    {Shown::own, "photo"}, {Shown::other, "other photo"}, {Shown::nothing, "no features"}};

// The features for photo i: its own, those of the photo half the list away, or zeros.
at::Tensor features_for(const PhotoFeatures& features, const std::vector<Photo>& photos,
                        size_t begin, size_t end, Shown shown) {
  std::vector<const Photo*> some;
  for (size_t i = begin; i < end; ++i)
    some.push_back(&photos[shown == Shown::other ? (i + photos.size() / 2) % photos.size() : i]);
  const auto x = features.stack(some);
  return shown == Shown::nothing ? at::zeros_like(x) : x;
}

struct Forced {
  std::vector<bool> right;    // every token of the answer and its end have the largest logit
  std::vector<double> log_p;  // of the answer and its end
  std::vector<int64_t> tokens;
};

Forced force(const Model& model, const PhotoBatch& batch, const at::Tensor& features) {
  auto pass = shown_pass(model, batch.rows, features, PadSide::right);
  pass.logit_positions = at::tensor(batch.row_of, at::kLong) * pass.ids.size(1) +
                         at::tensor(batch.position_of, at::kLong);
  model.run(pass);
  const auto logits = pass.logits().to(at::kFloat);
  const auto targets = at::tensor(batch.targets, at::kLong);
  const auto log_p =
      at::log_softmax(logits, -1).gather(1, targets.unsqueeze(1)).squeeze(1).to(at::kDouble);
  const auto hit = logits.argmax(-1).eq(targets);
  const auto* p = log_p.data_ptr<double>();
  const auto* h = hit.data_ptr<bool>();
  Forced forced;
  for (const auto& answer : batch.answers) {
    bool all = true;
    double sum = 0;
    for (auto i = answer.begin; i < answer.end; ++i) all &= h[i], sum += p[i];
    forced.right.push_back(all);
    forced.log_p.push_back(sum);
    forced.tokens.push_back(static_cast<int64_t>(answer.end - answer.begin));
  }
  return forced;
}

// Mean and standard error of values, in percent if they are fractions.
json mean_of(const std::vector<double>& values, double unit) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {{"mean", unit * mean}, {"error", unit * std::sqrt(squares / std::max(1.0, n - 1) / n)}};
}

std::vector<double> minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference;
  for (size_t i = 0; i < a.size(); ++i) difference.push_back(a[i] - b[i]);
  return difference;
}

std::vector<double> numbers(const std::vector<bool>& right) { return {right.begin(), right.end()}; }

std::string most_frequent(const std::map<std::string, int>& counts) {
  const auto larger = [](const auto& a, const auto& b) { return a.second < b.second; };
  return std::max_element(counts.begin(), counts.end(), larger)->first;
}

// Features: (N, P, D)
std::vector<std::string> captions_for(const Vlm& vlm, const at::Tensor& features) {
  const std::vector<std::string> prompts(static_cast<size_t>(features.size(0)), kCaptionPrompt);
  return photo_answers(vlm, features, prompts, /*max_new_tokens=*/30);
}

// The greedy answers to all questions about the photos, by condition: a list for each photo.
json answers_to(const Vlm& vlm, const PhotoFeatures& features, const std::vector<Photo>& photos) {
  constexpr size_t kPhotos = 4;
  json all = json::object();
  Progress progress("answers, photos", static_cast<int64_t>(3 * photos.size()));
  for (const auto& [shown, name] : kConditions)
    for (size_t begin = 0; begin < photos.size(); begin += kPhotos) {
      const auto end = std::min(photos.size(), begin + kPhotos);
      const auto seen = features_for(features, photos, begin, end, shown);
      std::vector<std::string> prompts;
      std::vector<int64_t> photo_of;
      for (size_t i = begin; i < end; ++i)
        for (const auto& question : photos[i].questions) {
          prompts.push_back(question_prompt(question.text));
          photo_of.push_back(static_cast<int64_t>(i - begin));
        }
      const auto rows = seen.index_select(0, at::tensor(photo_of, at::kLong));
      const auto answers = photo_answers(vlm, rows, prompts, /*max_new_tokens=*/12);
      auto answer = answers.begin();
      for (size_t i = begin; i < end; ++i)
        for (const auto& question : photos[i].questions)
          all[name].push_back({{"photo", photos[i].name},
                               {"question", question.text},
                               {"truth", question.answer},
                               {"answer", *answer++}});
      progress.advance(static_cast<int64_t>(end - begin));
    }
  return all;
}

}  // namespace

json examine_captions(const Vlm& vlm, const PhotoFeatures& features,
                      const std::vector<Photo>& photos) {
  at::NoGradGuard no_grad;
  constexpr size_t kBatch = 20;
  std::vector<std::string> own;
  Progress progress("captions", static_cast<int64_t>(photos.size()));
  for (size_t begin = 0; begin < photos.size(); begin += kBatch) {
    const auto end = std::min(photos.size(), begin + kBatch);
    const auto some = captions_for(vlm, features_for(features, photos, begin, end, Shown::own));
    own.insert(own.end(), some.begin(), some.end());
    progress.advance(static_cast<int64_t>(end - begin));
  }
  // Greedy captions depend on the features only: another photo gives its own caption, and zeros
  // give one caption for all.
  const auto blind = captions_for(vlm, features_for(features, photos, 0, 1, Shown::nothing)).at(0);

  json result = {{"photos", photos.size()}, {"conditions", json::object()}};
  std::map<Shown, std::vector<double>> ciders;
  for (const auto& [shown, name] : kConditions) {
    std::vector<CaptionPair> pairs;
    json texts = json::array();
    for (size_t i = 0; i < photos.size(); ++i) {
      const auto& caption = shown == Shown::own     ? own[i]
                            : shown == Shown::other ? own[(i + photos.size() / 2) % photos.size()]
                                                    : blind;
      pairs.push_back({caption, photos[i].captions});
      texts.push_back(
          {{"photo", photos[i].name}, {"caption", caption}, {"references", photos[i].captions}});
    }
    const auto scores = score_captions(pairs);
    ciders[shown] = scores.ciders;
    result["conditions"][name] = {
        {"bleu4", {{"mean", scores.bleu4}, {"error", scores.bleu4_error}}},
        {"cider", {{"mean", scores.cider}, {"error", scores.cider_error}}},
        {"captions", texts}};
  }
  for (auto other : {Shown::other, Shown::nothing})
    result["cider_gain"][other == Shown::other ? "over other photo" : "over no features"] =
        mean_of(minus(ciders[Shown::own], ciders[other]), 1);
  return result;
}

json examine_questions(const Vlm& vlm, const PhotoFeatures& features,
                       const std::vector<Photo>& photos, const std::vector<Photo>& train,
                       bool generate) {
  at::NoGradGuard no_grad;
  constexpr size_t kBatch = 8;
  // Rows of similar lengths have little padding.
  auto sorted = photos;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Photo& a, const Photo& b) {
    return a.questions.size() < b.questions.size();
  });
  std::map<Shown, std::vector<double>> right;
  Progress progress("questions, photos", static_cast<int64_t>(3 * photos.size()));
  for (const auto& [shown, name] : kConditions)
    for (size_t begin = 0; begin < photos.size(); begin += kBatch) {
      const auto end = std::min(photos.size(), begin + kBatch);
      PhotoBatch batch;
      for (size_t i = begin; i < end; ++i)
        batch.add_questions(vlm.processor, sorted[i], sorted[i].questions);
      const auto forced =
          force(*vlm.model, batch, features_for(features, sorted, begin, end, shown));
      for (const double one : numbers(forced.right)) right[shown].push_back(one);
      progress.advance(static_cast<int64_t>(end - begin));
    }

  std::map<std::string, int> answers;
  std::map<std::string, std::map<std::string, int>> by_question;
  for (const auto& photo : train)
    for (const auto& question : photo.questions)
      ++answers[question.answer], ++by_question[question.text][question.answer];
  const auto usual = most_frequent(answers);
  std::vector<double> majority, looked_up;
  for (const auto& photo : sorted)
    for (const auto& question : photo.questions) {
      majority.push_back(question.answer == usual);
      const auto found = by_question.find(question.text);
      looked_up.push_back(question.answer ==
                          (found == by_question.end() ? usual : most_frequent(found->second)));
    }
  json result = {{"photos", photos.size()},
                 {"questions", majority.size()},
                 {"most frequent answer", mean_of(majority, 100)},
                 {"most frequent answer to the question", mean_of(looked_up, 100)}};
  for (const auto& [shown, name] : kConditions)
    result["conditions"][name] = mean_of(right[shown], 100);
  for (auto other : {Shown::other, Shown::nothing})
    result["gain"][other == Shown::other ? "over other photo" : "over no features"] =
        mean_of(minus(right[Shown::own], right[other]), 100);
  if (generate) result["answers"] = answers_to(vlm, features, sorted);
  return result;
}

json examine_texts(const Vlm& vlm, const std::vector<Fact>& facts) {
  at::NoGradGuard no_grad;
  constexpr size_t kBatch = 16;
  std::vector<double> exact, preferred;
  double log_p = 0;
  int64_t tokens = 0;
  Progress progress("facts", static_cast<int64_t>(facts.size()));
  for (size_t begin = 0; begin < facts.size(); begin += kBatch) {
    const auto end = std::min(facts.size(), begin + kBatch);
    PhotoBatch texts, completions;
    std::vector<std::string> rewordings;
    for (size_t i = begin; i < end; ++i) {
      rewordings.push_back(facts[i].rephrased);
      completions.add_completions(vlm.processor, facts[i].prompt,
                                  {facts[i].truth, facts[i].counterfact});
    }
    texts.add_texts(vlm.processor, rewordings);
    const auto read = force(*vlm.model, texts, {});
    for (size_t i = 0; i < read.log_p.size(); ++i) log_p += read.log_p[i], tokens += read.tokens[i];
    const auto forced = force(*vlm.model, completions, {});
    for (size_t i = 0; i + 1 < forced.right.size(); i += 2) {
      exact.push_back(forced.right[i]);
      preferred.push_back(forced.log_p[i] > forced.log_p[i + 1]);
    }
    progress.advance(static_cast<int64_t>(end - begin));
  }
  return {{"facts", facts.size()},
          {"perplexity", std::exp(-log_p / static_cast<double>(tokens))},
          {"perplexity_tokens", tokens},
          {"true completion generated", mean_of(exact, 100)},
          {"true completion preferred", mean_of(preferred, 100)}};
}

}  // namespace emend::photos
