#include "editing/editors/serac/training.h"

#include <algorithm>
#include <map>
#include <set>

#include "editing/editors/memory/scope_questions.h"

namespace emend {
namespace {

using Kind = ScopeQuestions::Kind;

// For every pair of an edit and a question, (L, Q): 1 if the pair counts in a loss.
struct Pairs {
  at::Tensor follows, own_picture, own_text, others;
};

Pairs pairs_of(const ScopeQuestions& all, size_t examples) {
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

Crossed crossed(const ScopeQuestions& all, const ForcedBatch& forced, size_t examples) {
  const auto count = forced.batch.pixels.size();
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
  list.number("texts", texts, 0, 1,
              "share of edits in a step that are used without their picture");
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
  return trainable_parameters(state_->parameters());
}

EditLosses TrainableSerac::losses(const std::vector<EditExample>& examples, int64_t /*step*/) {
  const auto all = ScopeQuestions::of(examples, settings_.texts, !settings_.shape.paper());
  auto forced = force(vlm_, all.queries, settings_.end_of_answer);
  const auto image_features =
      get_image_features(vlm_, forced.batch.pixels, store_, /*batched=*/!store_);

  const auto features = question_features(vlm_, forced.batch, image_features, state_->features);
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
    made.pictures = place_features(*vlm_.model, forced.batch.pixels, image_features)
                        .index_select(0, index(cross.picture))
                        .to(at::kFloat);
    made.has_image = at::ones({made.text.size(0)}, made.text.options());
    auto apart = edits.index_select(0, index(cross.example)) - state_->scope.embed(made);
    auto own = apart.square().sum(-1);
    auto in_scope = at::tensor(cross.in_scope);
    follows = follows + mean_over(in_scope_loss(own), in_scope);
    picture = picture + mean_over(out_of_scope_loss(own), 1 - in_scope);
  }
  auto nll = counterfactual_loss(vlm_, state_->counterfactual, state_->shape.edit_prefix, all,
                                 forced, image_features, settings_.answers,
                                 settings_.shape.paper() ? settings_.seed : -1);

  EditLosses losses;
  losses.total =
      settings_.scope_weight * (follows + picture + text + others) + settings_.edit_weight * nll;
  losses.generality = follows.item<double>() + nll.item<double>();
  losses.image_locality = picture.item<double>();
  losses.text_locality = text.item<double>();
  return losses;
}

}  // namespace emend
