#include "editing/editors/ledger/training.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "editing/editors/ledger/scopes/fact_codes.h"
#include "editing/editors/ledger/scopes/question_texts.h"
#include "editing/editors/memory/prompt_answers.h"
#include "editing/editors/memory/scope_questions.h"
#include "io/error.h"
#include "io/log.h"

namespace emend {
namespace {

constexpr double kScale = 3, kNear = 0.5, kFar = 1.5;

// The loss in scope and out of scope. distances: (L, P) of each edit to each pair of a text and a
// picture.
std::pair<at::Tensor, at::Tensor> key_loss(const at::Tensor& distances, const at::Tensor& in_scope,
                                           const at::Tensor& out_of_scope) {
  const auto near = distances.masked_fill(out_of_scope.logical_not(), 1e4);
  const auto nearest = at::logsumexp(near * -kScale, 1);  // (L)
  const auto pairs = in_scope.nonzero();
  const auto edit = pairs.select(1, 0);
  const auto own = distances.masked_select(in_scope);
  const auto contrast = at::softplus(nearest.index_select(0, edit) + own * kScale);
  const auto margin = at::softplus((own - kNear) * kScale);
  return {(contrast + margin).sum() / std::max<int64_t>(own.numel(), 1),
          at::softplus(nearest + kScale * kFar).mean()};
}

}  // namespace

LedgerTrainingSettings::LedgerTrainingSettings() {
  training.batch = 16;
  training.accumulate = 1;
  training.lr = 1e-3;
}

void LedgerTrainingSettings::declare(SettingList& list) {
  shape.declare(list);
  list.number("key_weight", key_weight, 0, 1e6, "weight of the loss of the key network");
  list.number("edit_weight", edit_weight, 0, 1e6,
              "weight of the nll of the model that reads the edits; 0: the reading is not trained");
  list.number(
      "locality_weight", locality_weight, 0, 1e6,
      "weight of KL(before || after) of unrelated questions about an edit's picture that the "
      "model reads with the edit in front of them; not used with edit_weight=0");
  list.number("texts", texts, 0, 1, "share of edits in a step that are used without their picture");
  list.whole("answers", answers, 0, 1000000,
             "maximum number of questions per edit that the model answers in a step; 0: all");
  list.flag("end_of_answer", end_of_answer, "append the stop token to every answer");
  list.whole("pool", pool, 0, 100000000,
             "number of records whose features are computed once and kept in memory, and from "
             "which steps draw their edits; requires edit_weight=0. 0: each step computes the "
             "features of new records");
  list.whole("neighbors", neighbors, 0, 1000,
             "with a pool: for each random edit of a step, number of edits with the nearest keys "
             "that are added to the step");
  list.whole("candidates", candidates, 1, 1000000,
             "with a pool: number of random edits from which the neighbors are chosen");
  list.whole("crossed", crossed, 0, 1000,
             "number of other edits whose texts are asked about an edit's pictures: those with the "
             "most similar texts, and a random one");
  list.whole("calibration", calibration, 0, 1000000,
             "number of records that are not used for training; one unrelated question of each "
             "calibrates the scopes of edits");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed");
  training.declare(list);
}

TrainableLedger::TrainableLedger(const Vlm& vlm, const nlohmann::json& settings,
                                 ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<LedgerTrainingSettings>("ledger", settings)),
      state_(std::make_shared<LedgerState>(*vlm.model, settings_.shape,
                                           static_cast<uint64_t>(settings_.seed))) {
  if (settings_.pool > 0 && settings_.edit_weight > 0)
    throw Error("editing::ledger", "a pool trains the key network only",
                "use --set edit_weight=0, or pool=0");
}

std::vector<TrainableParameter> TrainableLedger::parameters() const {
  return trainable_parameters(state_->parameters());
}

void TrainableLedger::add_calibration(const std::vector<EditExample>& examples) {
  // The bound needs independent questions, and those of one record share pictures and facts.
  std::vector<TargetQuery> unrelated;
  for (const auto& example : examples) {
    auto own = example.image_locality;
    own.insert(own.end(), example.text_locality.begin(), example.text_locality.end());
    if (!own.empty()) unrelated.push_back(own[calibrated_++ % own.size()]);
  }
  if (unrelated.empty()) return;
  at::NoGradGuard no_grad;
  const auto batch = force(vlm_, unrelated, /*end_of_answer=*/false).batch;
  const auto image_features = get_image_features(vlm_, batch.pixels, store_);
  CalibrationQuestions questions{question_features(vlm_, batch, image_features, state_->features),
                                 answer_sketch(prompt_answers(*vlm_.model, batch, image_features)),
                                 {},
                                 {}};
  for (const auto& query : unrelated) {
    questions.facts.push_back(query.fact);
    questions.prompts.push_back(query.prompt);
  }
  calibration_.push_back(std::move(questions));
}

std::map<std::string, at::Tensor> TrainableLedger::tensors() const {
  at::NoGradGuard no_grad;
  auto all = state_->tensors();
  if (calibration_.empty()) return all;
  std::vector<at::Tensor> keys;
  std::vector<std::string> facts, prompts;
  for (const auto& some : calibration_) {
    keys.push_back(at::cat({state_->keys.keys(some.features), some.answers}, 1).to(at::kCPU));
    facts.insert(facts.end(), some.facts.begin(), some.facts.end());
    prompts.insert(prompts.end(), some.prompts.begin(), some.prompts.end());
  }
  all["calibration"] = at::cat(keys);
  const bool known =
      std::any_of(facts.begin(), facts.end(), [](const auto& fact) { return !fact.empty(); });
  all[known ? "calibration_facts" : "calibration_texts"] =
      known ? fact_codes(facts) : text_bytes(prompts);
  return all;
}

std::map<std::string, at::Tensor> TrainableLedger::tensors_in(at::ScalarType dtype) const {
  const RoundedTensors rounded(state_->parameters(), dtype);
  auto all = tensors();
  for (auto& [name, tensor] : all) tensor = tensor.clone();
  return all;
}

void TrainableLedger::pool(const std::vector<EditExample>& examples) {
  pool_.add(vlm_, examples, store_, state_->features);
}

EditLosses TrainableLedger::losses(const std::vector<EditExample>& examples, int64_t step) {
  EditLosses losses;
  losses.total = at::zeros({}, at::device(vlm_.model->device()).dtype(at::kFloat));
  if (settings_.pool > 0) {
    const auto chosen = pool_.choose(step, settings_.seed, settings_.training.batch,
                                     settings_.neighbors + 1, settings_.candidates, state_->keys);
    add_key_losses(losses, pool_, chosen, step);
  } else if (settings_.key_weight > 0) {
    FeaturePool own;
    own.add(vlm_, examples, store_, state_->features);
    std::vector<size_t> all(examples.size());
    std::iota(all.begin(), all.end(), 0);
    add_key_losses(losses, own, all, step);
  }
  if (settings_.edit_weight > 0) {
    const auto all = ScopeQuestions::of(examples, settings_.texts, /*pictures=*/true);
    const auto forced = force(vlm_, all.queries, settings_.end_of_answer);
    const auto image_features =
        get_image_features(vlm_, forced.batch.pixels, store_, /*batched=*/!store_);
    const auto nll = counterfactual_loss(vlm_, state_->counterfactual, state_->shape.edit_prefix,
                                         all, forced, image_features, settings_.answers);
    losses.total = losses.total + settings_.edit_weight * nll;
    losses.generality += nll.item().toDouble();
    if (settings_.locality_weight > 0) {
      const auto kept =
          reading_locality_loss(vlm_, state_->counterfactual, state_->shape.edit_prefix, all,
                                forced, image_features, settings_.answers);
      losses.total = losses.total + settings_.locality_weight * kept;
      losses.image_locality += kept.item().toDouble();
    }
  }
  return losses;
}

void TrainableLedger::add_key_losses(EditLosses& losses, const FeaturePool& pool,
                                     const std::vector<size_t>& chosen, int64_t number) const {
  const auto edits = static_cast<int64_t>(chosen.size());
  const auto bare = static_cast<size_t>(settings_.texts * static_cast<double>(edits));
  const auto step = pool.step(chosen, number, bare, settings_.crossed, state_->keys);
  const auto keys =
      state_->keys.pair_keys(step.text, step.pictures, step.which_text, step.which_picture);
  const auto device = vlm_.model->device();
  const auto [in_scope, out_of_scope] =
      key_loss(key_distances(keys.slice(0, 0, edits), keys), step.in_scope.to(device),
               step.out_of_scope.to(device));
  losses.total = losses.total + settings_.key_weight * (in_scope + out_of_scope);
  if (settings_.shape.consequences && step.follows.any().item<bool>()) {
    const auto of_edits = state_->keys.pair_keys(
        step.text, step.pictures, {step.which_text.begin(), step.which_text.begin() + edits},
        {step.which_picture.begin(), step.which_picture.begin() + edits},
        KeyNetwork::Key::consequence);
    const auto [follows, others] = key_loss(key_distances(of_edits, keys), step.follows.to(device),
                                            step.does_not_follow.to(device));
    losses.total = losses.total + settings_.key_weight * (follows + others);
    losses.ranks += follows.item().toDouble();
    losses.text_locality += others.item().toDouble();
  }
  losses.generality += in_scope.item().toDouble();
  losses.image_locality += out_of_scope.item().toDouble();
}

void TrainableLedger::load(const std::map<std::string, at::Tensor>& tensors,
                           const std::string& file) {
  std::map<std::string, at::Tensor> reading, keys;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with("counterfactual.")) reading[name] = tensor;
    if (name.starts_with("key.")) keys[name] = tensor;
  }
  copy_tensors(reading, state_->counterfactual.parameters(), "ledger", file);
  // A checkpoint of SERAC has the same counterfactual model, and no key network.
  if (keys.empty()) return;
  const auto own = state_->keys.parameters();
  // The networks for consequences may exist on one side only.
  const bool has_consequences = keys.count("key.consequence.text.0.weight") > 0;
  if (!state_->shape.consequences)
    std::erase_if(keys, [](const auto& one) { return one.first.starts_with("key.consequence."); });
  else if (!has_consequences)
    for (const auto& [name, tensor] : own)
      if (name.starts_with("key.consequence.")) keys[name] = tensor.detach();
  const bool same_shape = std::all_of(own.begin(), own.end(), [&](const auto& parameter) {
    const auto found = keys.find(parameter.first);
    return found != keys.end() && found->second.sizes() == parameter.second.sizes();
  });
  if (same_shape && keys.size() == own.size()) return copy_tensors(keys, own, "ledger", file);
  logger().warn(
      "'{}' has a key network of another shape: only the part that reads an edit is taken from it, "
      "and the key network starts at random weights. To keep it, use its settings of hidden, "
      "embedding, heads, head_width and text_tokens",
      file);
}

}  // namespace emend
