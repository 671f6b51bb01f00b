#include "editing/editors/liveedit/step_questions.h"

#include <algorithm>

#include "io/error.h"
#include "io/hash.h"

namespace emend {
namespace {

bool same_picture(const Picture& a, const Picture& b) {
  return a.path == b.path && a.drawn == b.drawn;
}

// The same examples and seed give the same numbers, so that a resumed training continues alike.
std::mt19937_64 example_random(const std::vector<EditExample>& examples, int64_t seed) {
  Hasher hash;
  hash.update(&seed, sizeof seed);
  for (const auto& example : examples) {
    hash.update_sized(example.edit.prompt);
    hash.update_sized(example.edit.target);
    for (const auto& query : example.image_locality) hash.update_sized(query.prompt);
  }
  return std::mt19937_64(std::stoull(hash.hex().substr(0, 15), nullptr, 16));
}

size_t drawn_below(std::mt19937_64& random, size_t below) { return random() % below; }

}  // namespace

StepQuestions::StepQuestions(const std::vector<EditExample>& examples, int64_t seed) {
  auto random = example_random(examples, seed);
  const auto add = [&](const TargetQuery& query, Kind as, size_t of) {
    queries.push_back(query);
    kind.push_back(as);
    example.push_back(of);
    return static_cast<int64_t>(queries.size()) - 1;
  };
  for (size_t e = 0; e < examples.size(); ++e) {
    const auto& of = examples[e];
    if (!of.edit.image.present())
      throw Error("editing::liveedit",
                  "LiveEdit finds edits by their pictures, but an edit of the suite has no image",
                  "train on a suite with pictures, such as scenes or e-vqa");
    std::vector<TargetQuery> texts, pictures, unrelated;
    for (const auto& query : of.generality)
      if (query.image.present())
        (same_picture(query.image, of.edit.image) ? texts : pictures).push_back(query);
    for (const auto& query : of.image_locality)
      if (query.image.present()) unrelated.push_back(query);
    std::vector<int64_t> own = {
        add({of.edit.image, of.edit.prompt, of.edit.target}, Kind::edit, e)};
    for (const auto& [all, as] :
         {std::pair{&texts, Kind::text}, std::pair{&pictures, Kind::picture}})
      if (!all->empty()) own.push_back(add((*all)[drawn_below(random, all->size())], as, e));
    const auto other =
        unrelated.empty()
            ? -1
            : add(unrelated[drawn_below(random, unrelated.size())], Kind::unrelated, e);
    const auto any = [&] { return own[drawn_below(random, own.size())]; };
    // Also an unrelated question is its own neighbor.
    const bool related = other < 0 || drawn_below(random, 3) < 2;
    positives.inputs.push_back(related ? any() : other);
    positives.edits.push_back(related ? any() : other);
    if (other < 0) continue;
    const bool asked = drawn_below(random, 2) == 0;
    negatives.inputs.push_back(asked ? any() : other);
    negatives.edits.push_back(asked ? other : any());
  }
  const auto experts = static_cast<int64_t>(examples.size());
  expert_mask = at::zeros({static_cast<int64_t>(queries.size()), experts}, at::kBool);
  auto* used = expert_mask.data_ptr<bool>();
  for (size_t q = 0; q < queries.size(); ++q, used += experts) {
    std::fill_n(used, drawn_below(random, examples.size() + 1), true);
    if (kind[q] != Kind::unrelated) used[example[q]] = true;
  }
}

int64_t StepQuestions::count(Kind of) const { return std::count(kind.begin(), kind.end(), of); }

std::vector<int64_t> StepQuestions::edits() const {
  std::vector<int64_t> all;
  for (size_t q = 0; q < kind.size(); ++q)
    if (kind[q] == Kind::edit) all.push_back(static_cast<int64_t>(q));
  return all;
}

}  // namespace emend
