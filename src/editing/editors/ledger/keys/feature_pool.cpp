#include "editing/editors/ledger/keys/feature_pool.h"

#include <algorithm>
#include <random>
#include <set>

#include "editing/training/forced.h"

namespace emend {
namespace {

constexpr size_t kTextBatch = 64;
constexpr double kSameGroup = 1e9;  // larger than every squared distance

std::mt19937_64 step_random(int64_t seed, int64_t step) {
  return std::mt19937_64(static_cast<uint64_t>(seed) * 1000003 + static_cast<uint64_t>(step));
}

int64_t drawn(std::mt19937_64& random, size_t below) {
  return static_cast<int64_t>(random() % below);
}

// `count` different numbers below `below`, or all of them, in random order.
std::vector<int64_t> drawn_numbers(std::mt19937_64& random, size_t below, size_t count) {
  std::vector<int64_t> numbers;
  std::set<int64_t> taken;
  while (numbers.size() < std::min(count, below)) {
    const auto one = drawn(random, below);
    if (taken.insert(one).second) numbers.push_back(one);
  }
  return numbers;
}

// All questions of an example: the edit, those in its scope, and the others.
std::vector<TargetQuery> questions_of(const EditExample& example) {
  std::vector<TargetQuery> queries = {
      {example.edit.image, example.edit.prompt, example.edit.target, example.edit.fact}};
  for (const auto* part : {&example.generality, &example.image_locality, &example.text_locality,
                           &example.consequences})
    queries.insert(queries.end(), part->begin(), part->end());
  return queries;
}

// States (S, W) without the zeros at the end, normalized as the key network does, so that they fit
// into float16.
at::Tensor compact(const at::Tensor& states) {
  const auto count = states.abs().amax(1).count_nonzero().item<int64_t>();
  return at::layer_norm(states.slice(0, 0, count), {states.size(1)}).to(at::kHalf);
}

void add_new(std::vector<int64_t>& all, int64_t one) {
  if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
}

}  // namespace

void FeaturePool::add_texts(const Vlm& vlm, const std::vector<std::string>& prompts,
                            const FeatureOptions& options) {
  std::vector<TargetQuery> added;
  for (const auto& prompt : prompts)
    if (texts_.emplace(prompt, static_cast<int64_t>(texts_.size())).second) {
      groups_.push_back(static_cast<int64_t>(groups_.size()));
      added.push_back({{}, prompt, " "});
    }
  for (size_t begin = 0; begin < added.size(); begin += kTextBatch) {
    const auto end = std::min(added.size(), begin + kTextBatch);
    const std::vector<TargetQuery> some(added.begin() + static_cast<int64_t>(begin),
                                        added.begin() + static_cast<int64_t>(end));
    const auto batch = force(vlm, some, /*end_of_answer=*/true).batch;
    for (const auto& states : question_features(vlm, batch, {}, options).text.unbind())
      text_states_.push_back(options.tokens > 0 ? compact(states) : states.clone());
  }
}

int64_t FeaturePool::group_of(int64_t text) const {
  while (groups_[static_cast<size_t>(text)] != text) text = groups_[static_cast<size_t>(text)];
  return text;
}

void FeaturePool::add(const Vlm& vlm, const std::vector<EditExample>& examples,
                      ActivationStore* store, const FeatureOptions& options) {
  at::NoGradGuard no_grad;
  std::vector<std::string> prompts;
  for (const auto& example : examples)
    for (const auto& query : questions_of(example)) prompts.push_back(query.prompt);
  add_texts(vlm, prompts, options);
  for (const auto& example : examples) add_example(vlm, example, store, options);
}

void FeaturePool::add_example(const Vlm& vlm, const EditExample& example, ActivationStore* store,
                              const FeatureOptions& options) {
  const auto queries = questions_of(example);
  const auto own = 1 + example.generality.size();
  const auto forced = force(vlm, queries, /*end_of_answer=*/false);
  const auto first = static_cast<int64_t>(pictures_.size());
  if (options.pictures && forced.batch.pixels.defined())
    for (const auto& picture :
         place_features(*vlm.model, forced.batch.pixels,
                        get_image_features(vlm, forced.batch.pixels, store, /*batched=*/!store))
             .to(at::kHalf)
             .unbind())
      pictures_.push_back(picture.clone());
  Example added;
  const auto& fact = example.edit.fact;
  added.fact =
      fact.empty() ? -1 : facts_.emplace(fact, static_cast<int64_t>(facts_.size())).first->second;
  for (size_t q = 0; q < queries.size(); ++q) {
    const auto text = texts_.at(queries[q].prompt);
    const auto& images = forced.batch.rows[q].images;
    const auto picture = images.empty() || !options.pictures ? -1 : first + images.front();
    if (q < own) {
      add_new(added.texts, text);
      add_new(added.pictures, picture);
      groups_[static_cast<size_t>(group_of(text))] = group_of(added.texts.front());
    } else if (q < queries.size() - example.consequences.size()) {
      added.unrelated.emplace_back(text, picture);
    } else {
      added.consequences.emplace_back(text, picture);
      text_consequences_.emplace(added.texts.front(), text);
    }
  }
  examples_.push_back(std::move(added));
}

std::set<FeaturePool::Pair> FeaturePool::consequence_groups() const {
  std::set<Pair> groups;
  for (const auto& [edit, text] : text_consequences_)
    groups.emplace(group_of(edit), group_of(text));
  return groups;
}

at::Tensor FeaturePool::text_rows(const std::vector<int64_t>& which) const {
  int64_t most = 0;
  for (const auto one : which)
    most = std::max(most, text_states_[static_cast<size_t>(one)].size(0));
  std::vector<at::Tensor> rows;
  for (const auto one : which) {
    const auto& states = text_states_[static_cast<size_t>(one)];
    rows.push_back(at::constant_pad_nd(states, {0, 0, 0, most - states.size(0)}));
  }
  return at::stack(rows).to(at::kFloat);
}

at::Tensor FeaturePool::picture_rows(const std::vector<int64_t>& which) const {
  std::vector<at::Tensor> rows;
  for (const auto one : which) rows.push_back(pictures_[static_cast<size_t>(one)]);
  return rows.empty() ? at::Tensor() : at::stack(rows).to(at::kFloat);
}

at::Tensor FeaturePool::edit_keys(const std::vector<size_t>& which, const KeyNetwork& keys) const {
  std::vector<int64_t> texts, pictures, which_text, which_picture;
  for (const auto index : which) {
    const auto& example = examples_[index];
    which_text.push_back(static_cast<int64_t>(texts.size()));
    texts.push_back(example.texts.front());
    const auto picture = example.pictures.front();
    which_picture.push_back(picture < 0 ? -1 : static_cast<int64_t>(pictures.size()));
    if (picture >= 0) pictures.push_back(picture);
  }
  return keys.pair_keys(text_rows(texts), picture_rows(pictures), which_text, which_picture);
}

std::vector<size_t> FeaturePool::choose(int64_t step, int64_t seed, int64_t count, int64_t group,
                                        int64_t candidates, const KeyNetwork& keys) const {
  at::NoGradGuard no_grad;
  auto random = step_random(seed, step);
  const auto wanted = std::min(static_cast<size_t>(count), size());
  const auto considered = group > 1 ? std::max(wanted, static_cast<size_t>(candidates)) : wanted;
  std::vector<size_t> among;
  for (const auto one : drawn_numbers(random, size(), considered))
    among.push_back(static_cast<size_t>(one));
  if (among.size() <= wanted) return among;
  const auto all = edit_keys(among, keys);
  auto distances = key_distances(all.slice(0, 0, static_cast<int64_t>(wanted)), all).to(at::kCPU);
  const auto order = std::get<1>(distances.sort(1)).contiguous();
  const auto* next = order.data_ptr<int64_t>();
  std::vector<size_t> chosen;
  std::set<int64_t> taken;
  for (size_t i = 0; i < wanted && chosen.size() < wanted; ++i, next += all.size(0)) {
    int64_t left = group;
    const auto fact = examples_[among[i]].fact;
    for (int64_t n = 0; n < all.size(0) && left > 0 && chosen.size() < wanted; ++n) {
      const auto& other = examples_[among[static_cast<size_t>(next[n])]];
      const bool itself = next[n] == static_cast<int64_t>(i);
      if (!itself && fact >= 0 && other.fact == fact) continue;
      --left;
      if (taken.insert(next[n]).second) chosen.push_back(among[static_cast<size_t>(next[n])]);
    }
  }
  return chosen;
}

PooledStep FeaturePool::step(const std::vector<size_t>& chosen, int64_t number, size_t bare,
                             int64_t crossed, const KeyNetwork& keys) const {
  auto random = step_random(-1, number);
  const auto edits = chosen.size();
  std::vector<Example> examples;
  for (const auto index : chosen) {
    examples.push_back(examples_[index]);
    auto& example = examples.back();
    if (examples.size() > bare || example.pictures.front() < 0) continue;
    example.pictures = {-1};
    example.consequences.clear();
    example.fact = -1;
    std::erase_if(example.unrelated, [&](const Pair& pair) {
      return pair.second < 0 && group_of(pair.first) == group_of(example.texts.front());
    });
  }

  // The pairs of the step, each with the example in whose scope it is, and with the one from which
  // it follows (-1: none).
  PooledStep step;
  std::vector<int64_t> owner, cause;
  std::map<int64_t, int64_t> texts, pictures;  // their indices in the step
  std::vector<int64_t> used_texts, used_pictures;
  auto index = [](std::map<int64_t, int64_t>& known, std::vector<int64_t>& used, int64_t one) {
    const auto [place, added] = known.emplace(one, static_cast<int64_t>(used.size()));
    if (added) used.push_back(one);
    return place->second;
  };
  auto add = [&](int64_t text, int64_t picture, size_t of, bool in_scope) {
    step.which_text.push_back(index(texts, used_texts, text));
    step.which_picture.push_back(picture < 0 ? -1 : index(pictures, used_pictures, picture));
    owner.push_back(in_scope ? static_cast<int64_t>(of) : -1);
    cause.push_back(-1);
  };
  for (size_t e = 0; e < edits; ++e)
    add(examples[e].texts.front(), examples[e].pictures.front(), e, true);
  for (size_t e = 0; e < edits; ++e) {
    const auto& example = examples[e];
    for (const auto text : example.texts)
      for (const auto picture : example.pictures)
        if (text != example.texts.front() || picture != example.pictures.front())
          add(text, picture, e, true);
    const auto own_text = example.texts.front();
    const bool sees = example.pictures.front() >= 0;
    auto own_picture = [&] { return example.pictures[drawn(random, example.pictures.size())]; };
    std::vector<int64_t> elsewhere, other_texts;
    for (const auto& [text, picture] : example.unrelated) {
      add(text, picture, e, false);
      if (picture < 0) continue;
      add_new(elsewhere, picture);
      if (group_of(text) != group_of(own_text)) add_new(other_texts, text);
    }
    for (const auto& [text, picture] : example.consequences) {
      add(text, picture, e, false);
      cause.back() = static_cast<int64_t>(e);
    }
    if (!elsewhere.empty()) add(own_text, elsewhere[drawn(random, elsewhere.size())], e, false);
    if (!sees) continue;
    add(own_text, -1, e, false);
    if (!other_texts.empty())
      add(other_texts[drawn(random, other_texts.size())], own_picture(), e, false);
  }
  if (crossed > 0) {
    at::NoGradGuard no_grad;
    std::vector<int64_t> own;
    for (const auto& example : examples) own.push_back(example.texts.front());
    const auto keys_of_texts = keys.texts(text_rows(own));
    auto distances = key_distances(keys_of_texts, keys_of_texts).to(at::kCPU).contiguous();
    auto* distance = distances.data_ptr<float>();
    for (size_t e = 0; e < edits; ++e)
      for (size_t other = 0; other < edits; ++other, ++distance)
        if (group_of(examples[e].texts.front()) == group_of(examples[other].texts.front()))
          *distance = kSameGroup;
    const auto order = std::get<1>(distances.sort(1)).contiguous();
    const auto* nearest = order.data_ptr<int64_t>();
    for (size_t e = 0; e < edits; ++e, nearest += edits) {
      const auto& example = examples[e];
      if (example.pictures.front() < 0) continue;
      for (int64_t c = 0; c <= crossed; ++c) {
        const auto other =
            c == crossed || c >= static_cast<int64_t>(edits) ? drawn(random, edits) : nearest[c];
        const auto text = examples[static_cast<size_t>(other)].texts.front();
        if (group_of(text) != group_of(example.texts.front()))
          add(text, example.pictures[drawn(random, example.pictures.size())], e, false);
      }
    }
  }
  step.text = text_rows(used_texts);
  step.pictures = picture_rows(used_pictures);

  const auto count = static_cast<int64_t>(owner.size());
  step.in_scope = at::zeros({static_cast<int64_t>(edits), count}, at::kBool);
  step.out_of_scope = at::zeros_like(step.in_scope);
  step.follows = at::zeros_like(step.in_scope);
  step.does_not_follow = at::zeros_like(step.in_scope);
  const auto may_follow = consequence_groups();
  auto* in = step.in_scope.data_ptr<bool>();
  auto* out = step.out_of_scope.data_ptr<bool>();
  auto* follows = step.follows.data_ptr<bool>();
  auto* does_not = step.does_not_follow.data_ptr<bool>();
  for (size_t e = 0; e < edits; ++e) {
    const auto& example = examples[e];
    auto same_edit = [&](int64_t other) {
      return other == static_cast<int64_t>(e) ||
             (other >= 0 && example.fact >= 0 &&
              examples[static_cast<size_t>(other)].fact == example.fact);
    };
    for (size_t p = 0; p < owner.size(); ++p, ++in, ++out, ++follows, ++does_not) {
      if (p == e) continue;
      *in = same_edit(owner[p]);
      // The same text without a picture is the question of an edit without one.
      const bool same_text = example.pictures.front() < 0 && step.which_picture[p] < 0 &&
                             group_of(used_texts[static_cast<size_t>(step.which_text[p])]) ==
                                 group_of(example.texts.front());
      *out = !*in && !same_text;
      *follows = same_edit(cause[p]);
      // Another question about the same picture may follow, too.
      const auto picture = step.which_picture[p];
      const bool same_picture =
          picture >= 0 &&
          std::find(example.pictures.begin(), example.pictures.end(),
                    used_pictures[static_cast<size_t>(picture)]) != example.pictures.end();
      *does_not =
          *out && !*follows &&
          !(same_picture &&
            may_follow.count({group_of(example.texts.front()),
                              group_of(used_texts[static_cast<size_t>(step.which_text[p])])}) > 0);
    }
  }
  return step;
}

}  // namespace emend
