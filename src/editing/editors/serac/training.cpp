#include "editing/editors/serac/training.h"

#include <algorithm>
#include <map>
#include <set>

#include "editing/training/forced.h"

namespace emend {
namespace {

enum class Kind { edit, follows, picture, text };  // `text` and `picture` are out of scope

// The questions of a step: those of all examples in one list.
struct Questions {
  std::vector<TargetQuery> queries;
  std::vector<size_t> example;
  std::vector<Kind> kind;

  void add(const TargetQuery& query, size_t of, Kind as) {
    queries.push_back(query);
    example.push_back(of);
    kind.push_back(as);
  }
  bool in_scope(size_t q) const { return kind[q] == Kind::edit || kind[q] == Kind::follows; }
};

// Removes the picture of an example, which makes it an edit of a text with its rephrases and
// locality.
EditExample without_picture(EditExample example) {
  example.edit.image = {};
  std::set<std::string> prompts = {example.edit.prompt};
  std::vector<TargetQuery> rewordings;
  for (auto& query : example.generality) {
    if (!prompts.insert(query.prompt).second) continue;
    query.image = {};
    rewordings.push_back(std::move(query));
  }
  example.generality = std::move(rewordings);
  std::erase_if(example.text_locality,
                [&](const TargetQuery& query) { return prompts.count(query.prompt) > 0; });
  return example;
}

Questions questions_of(const std::vector<EditExample>& examples, double texts, bool paper) {
  Questions all;
  const auto bare = static_cast<size_t>(texts * static_cast<double>(examples.size()));
  for (size_t l = 0; l < examples.size(); ++l) {
    const auto example = l < bare ? without_picture(examples[l]) : examples[l];
    all.add({example.edit.image, example.edit.prompt, example.edit.target}, l, Kind::edit);
    for (const auto& query : example.generality) all.add(query, l, Kind::follows);
    for (const auto& query : example.text_locality) all.add(query, l, Kind::text);
    if (paper) continue;
    for (const auto& query : example.image_locality) all.add(query, l, Kind::picture);
  }
  return all;
}

// For every pair of an edit and a question, (L, Q): 1 if the pair counts in a loss.
struct Pairs {
  at::Tensor follows, own_picture, own_text, others;
};

Pairs pairs_of(const Questions& all, size_t examples) {
  const auto count = all.queries.size();
  // Without pictures, questions with the same text are equal, even if they belong to several
  // examples.
  std::vector<std::set<std::string>> bare(examples);
  for (size_t q = 0; q < count; ++q)
    if (all.in_scope(q) && !all.queries[q].image.present())
      bare[all.example[q]].insert(all.queries[q].prompt);
  auto table = [&] {
    return at::zeros({static_cast<int64_t>(examples), static_cast<int64_t>(count)});
  };
  Pairs pairs{table(), table(), table(), table()};
  for (size_t l = 0; l < examples; ++l)
    for (size_t q = 0; q < count; ++q) {
      const auto& query = all.queries[q];
      const auto at = l * count + q;
      if (all.example[q] == l) {
        if (all.kind[q] == Kind::follows) pairs.follows.data_ptr<float>()[at] = 1;
        if (all.kind[q] == Kind::picture) pairs.own_picture.data_ptr<float>()[at] = 1;
        if (all.kind[q] == Kind::text) pairs.own_text.data_ptr<float>()[at] = 1;
      } else if (query.image.present() || !bare[l].count(query.prompt)) {
        pairs.others.data_ptr<float>()[at] = 1;
      }
    }
  return pairs;
}

// All combinations of texts and pictures of the questions. This costs little, because features of
// texts and of pictures are separate. A text in scope of an example is in scope with the example's
// pictures in scope, and out of scope with any other picture.
struct Crossed {
  // The example, a question with the text, and the picture.
  std::vector<int64_t> example, question, picture;
  std::vector<float> in_scope;
};

Crossed crossed(const Questions& all, const ForcedBatch& forced, size_t examples) {
  const auto count = forced.batch.pixels.defined() ? forced.batch.pixels.size(0) : 0;
  std::vector<std::map<std::string, int64_t>> texts(examples);  // one question for each prompt
  std::vector<std::set<int64_t>> pictures(examples);
  for (size_t q = 0; q < all.queries.size(); ++q) {
    const auto& images = forced.batch.rows[q].images;
    if (!all.in_scope(q) || images.empty()) continue;
    texts[all.example[q]].emplace(all.queries[q].prompt, static_cast<int64_t>(q));
    pictures[all.example[q]].insert(images.begin(), images.end());
  }
  Crossed made;
  for (size_t l = 0; l < examples; ++l)
    for (const auto& [prompt, question] : texts[l])
      for (int64_t picture = 0; picture < count; ++picture) {
        made.example.push_back(static_cast<int64_t>(l));
        made.question.push_back(question);
        made.picture.push_back(picture);
        made.in_scope.push_back(static_cast<float>(pictures[l].count(picture)));
      }
  return made;
}

at::Tensor mean_over(const at::Tensor& losses, const at::Tensor& pairs) {
  auto counted = pairs.to(losses.device());
  return (losses * counted).sum() / counted.sum().clamp_min(1);
}

// The questions in scope, at most `most` of each example (0: all).
std::vector<size_t> answered(const Questions& all, size_t examples, int64_t most) {
  std::vector<std::vector<size_t>> own(examples);
  for (size_t q = 0; q < all.queries.size(); ++q)
    if (all.in_scope(q)) own[all.example[q]].push_back(q);
  std::vector<size_t> chosen;
  for (size_t l = 0; l < examples; ++l) {
    const auto size = own[l].size();
    const auto take = most > 0 ? std::min(size, static_cast<size_t>(most)) : size;
    for (size_t i = 0; i < take; ++i) chosen.push_back(own[l][(l + i) % size]);
  }
  return chosen;
}

// The nll of the targets: the mean over questions of the mean over tokens. `answers` is the maximum
// number of questions for each example. They are selected by the index of the example, which is
// random.
at::Tensor counterfactual_loss(const Vlm& vlm, const SeracState& state, const Questions& all,
                               const ForcedBatch& forced, const at::Tensor& seen, int64_t answers,
                               int64_t seed) {
  const auto& model = *vlm.model;
  std::vector<EditPrefix> edits;
  std::vector<Projection> drawn;
  for (size_t q = 0; q < all.queries.size(); ++q) {
    if (all.kind[q] != Kind::edit) continue;
    const auto& edit = all.queries[q];
    edits.push_back(
        EditPrefix::of(vlm.processor, state.shape.edit_prefix, edit.prompt, edit.target));
    if (!state.shape.paper()) continue;
    const auto& images = forced.batch.rows[q].images;
    auto name =
        entry_name(edit.prompt, images.empty() ? at::Tensor() : forced.batch.pixels[images[0]]);
    drawn.push_back(Projection::draw(SeracState::picture_width(model),
                                     projection_seed(seed, name, edit.target), model.device()));
  }
  std::vector<Row> rows;
  std::vector<const EditPrefix*> prefixes;
  std::vector<const Projection*> projections;
  std::vector<size_t> asked;
  for (auto q : answered(all, edits.size(), answers)) {
    rows.push_back(forced.batch.rows[q]);
    prefixes.push_back(&edits[all.example[q]]);
    if (!drawn.empty()) projections.push_back(&drawn[all.example[q]]);
    asked.push_back(q);
  }
  auto made = counterfactual_pass(model, rows, prefixes, seen, projections, PadSide::right);
  std::vector<int64_t> positions, tokens;
  std::vector<float> weights;
  for (size_t i = 0; i < asked.size(); ++i) {
    const auto& answer = forced.answers[asked[i]];
    for (size_t t = 0; t < answer.size(); ++t) {
      const auto before = forced.answer_begin[asked[i]] + static_cast<int64_t>(t) - 1;
      positions.push_back(made.position(static_cast<int64_t>(i), before));
      tokens.push_back(answer[t]);
      weights.push_back(1.0f / static_cast<float>(answer.size() * asked.size()));
    }
  }
  const auto device = model.device();
  made.pass.logit_positions = at::tensor(positions, at::kLong).to(device);
  model.run(made.pass, state.counterfactual.interventions());
  auto logp = at::log_softmax(made.pass.logits(), -1, at::kFloat);
  auto said = logp.gather(-1, at::tensor(tokens, at::kLong).to(device).unsqueeze(-1)).squeeze(-1);
  return at::neg((said * at::tensor(weights).to(device)).sum());
}

}  // namespace

SeracTrainingSettings::SeracTrainingSettings() {
  training.batch = 8;
  training.accumulate = 1;
  training.lr = 1e-4;
}

void SeracTrainingSettings::declare(SettingList& list) {
  shape.declare(list);
  list.number("scope_weight", scope_weight, 0, 1e6, "weight of the loss of the scope classifier");
  list.number("edit_weight", edit_weight, 0, 1e6, "weight of the nll of the counterfactual model");
  list.number("texts", texts, 0, 1, "share of edits in a step that lose their picture");
  list.whole("answers", answers, 0, 1000000,
             "maximum number of questions per edit that the counterfactual model answers in a "
             "step; 0: all");
  list.flag("end_of_answer", end_of_answer, "append the stop token to every answer");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed");
  training.declare(list);
}

TrainableSerac::TrainableSerac(const Vlm& vlm, const nlohmann::json& settings,
                               ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<SeracTrainingSettings>("serac", settings)),
      state_(std::make_shared<SeracState>(*vlm.model, settings_.shape,
                                          static_cast<uint64_t>(settings_.seed))) {
  settings_.shape = state_->shape;
}

std::vector<TrainableParameter> TrainableSerac::parameters() const {
  std::vector<TrainableParameter> all;
  for (const auto& [name, tensor] : state_->parameters()) all.push_back({name, tensor});
  return all;
}

EditLosses TrainableSerac::losses(const std::vector<EditExample>& examples) {
  const auto all = questions_of(examples, settings_.texts, settings_.shape.paper());
  auto forced = force(vlm_, all.queries, settings_.end_of_answer);
  const auto seen = look_at(vlm_, forced.batch.pixels, store_, /*batched=*/!store_);

  const auto features = question_features(vlm_, forced.batch, seen, state_->features);
  auto embedded = state_->scope.embed(features);
  const auto device = embedded.device();
  std::vector<int64_t> edit_rows;
  for (size_t q = 0; q < all.queries.size(); ++q)
    if (all.kind[q] == Kind::edit) edit_rows.push_back(static_cast<int64_t>(q));
  auto edits = embedded.index_select(0, at::tensor(edit_rows, at::kLong).to(device));
  auto d = squared_distances(edits, embedded);
  const auto pairs = pairs_of(all, examples.size());
  auto far = out_of_scope_loss(d);
  auto follows = mean_over(in_scope_loss(d), pairs.follows);
  auto picture = mean_over(far, pairs.own_picture), text = mean_over(far, pairs.own_text);
  auto others = mean_over(far, pairs.others);
  const auto cross = settings_.shape.paper() ? Crossed() : crossed(all, forced, examples.size());
  if (!cross.example.empty()) {
    auto index = [&](const std::vector<int64_t>& which) {
      return at::tensor(which, at::kLong).to(device);
    };
    QuestionFeatures made;
    made.text = features.text.index_select(0, index(cross.question));
    made.pictures = seen.index_select(0, index(cross.picture)).to(at::kFloat);
    made.has_image = at::ones({made.text.size(0)}, made.text.options());
    auto apart = edits.index_select(0, index(cross.example)) - state_->scope.embed(made);
    auto own = apart.square().sum(-1);
    auto in_scope = at::tensor(cross.in_scope);
    follows = follows + mean_over(in_scope_loss(own), in_scope);
    picture = picture + mean_over(out_of_scope_loss(own), 1 - in_scope);
  }
  auto nll =
      counterfactual_loss(vlm_, *state_, all, forced, seen, settings_.answers, settings_.seed);

  EditLosses losses;
  losses.total =
      settings_.scope_weight * (follows + picture + text + others) + settings_.edit_weight * nll;
  losses.generality = follows.item<double>() + nll.item<double>();
  losses.image_locality = picture.item<double>();
  losses.text_locality = text.item<double>();
  return losses;
}

}  // namespace emend
