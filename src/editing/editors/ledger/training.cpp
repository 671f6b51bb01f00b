#include "editing/editors/ledger/training.h"

#include <algorithm>
#include <map>
#include <set>

#include "editing/editors/ledger/fact_codes.h"
#include "editing/editors/ledger/scope_labels.h"
#include "editing/editors/memory/prompt_answers.h"

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
              "weight of the nll of the model that reads the edits");
  list.number("texts", texts, 0, 1, "share of edits in a step that lose their picture");
  list.whole("answers", answers, 0, 1000000,
             "maximum number of questions per edit that the model answers in a step; 0: all");
  list.flag("end_of_answer", end_of_answer, "append the stop token to every answer");
  list.whole("calibration", calibration, 0, 1000000,
             "number of records, kept out of training, whose unrelated questions calibrate the "
             "scopes of edits");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed");
  training.declare(list);
}

TrainableLedger::TrainableLedger(const Vlm& vlm, const nlohmann::json& settings,
                                 ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<LedgerTrainingSettings>("ledger", settings)),
      state_(std::make_shared<LedgerState>(*vlm.model, settings_.shape,
                                           static_cast<uint64_t>(settings_.seed))) {}

std::vector<TrainableParameter> TrainableLedger::parameters() const {
  std::vector<TrainableParameter> all;
  for (const auto& [name, tensor] : state_->parameters()) all.push_back({name, tensor});
  return all;
}

void TrainableLedger::add_calibration(const EditExample& example) {
  std::vector<TargetQuery> unrelated = example.image_locality;
  unrelated.insert(unrelated.end(), example.text_locality.begin(), example.text_locality.end());
  for (const auto& query : unrelated) {
    at::NoGradGuard no_grad;
    const auto batch = force(vlm_, {query}, /*end_of_answer=*/false).batch;
    const auto seen = look_at(vlm_, batch.pixels, store_);
    calibration_.push_back({question_features(vlm_, batch, seen, state_->features),
                            answer_sketch(prompt_answers(*vlm_.model, batch, seen)), query.fact});
  }
}

std::map<std::string, at::Tensor> TrainableLedger::tensors() const {
  at::NoGradGuard no_grad;
  auto all = state_->tensors();
  if (calibration_.empty()) return all;
  std::vector<at::Tensor> keys;
  std::vector<std::string> facts;
  for (const auto& question : calibration_) {
    keys.push_back(
        at::cat({state_->keys.keys(question.features), question.answer}, 1).to(at::kCPU));
    facts.push_back(question.fact);
  }
  all["calibration"] = at::cat(keys);
  all["calibration_facts"] = fact_codes(facts);
  return all;
}

EditLosses TrainableLedger::losses(const std::vector<EditExample>& examples) {
  const auto all = ScopeQuestions::of(examples, settings_.texts, /*pictures=*/true);
  const auto forced = force(vlm_, all.queries, settings_.end_of_answer);
  const auto seen = look_at(vlm_, forced.batch.pixels, store_, /*batched=*/!store_);
  EditLosses losses;
  losses.total = at::zeros({}, at::device(vlm_.model->device()).dtype(at::kFloat));
  if (settings_.key_weight > 0) {
    const auto labels = scope_labels(all, forced, examples.size());
    const auto [in_scope, out_of_scope] = key_losses(labels, forced.batch, seen);
    losses.total = losses.total + settings_.key_weight * (in_scope + out_of_scope);
    losses.generality += in_scope.item().toDouble();
    losses.image_locality = out_of_scope.item().toDouble();
  }
  if (settings_.edit_weight > 0) {
    const auto nll = counterfactual_loss(vlm_, state_->counterfactual, state_->shape.edit_prefix,
                                         all, forced, seen, settings_.answers);
    losses.total = losses.total + settings_.edit_weight * nll;
    losses.generality += nll.item().toDouble();
  }
  return losses;
}

std::pair<at::Tensor, at::Tensor> TrainableLedger::key_losses(const ScopeLabels& labels,
                                                              const Batch& batch,
                                                              const at::Tensor& seen) const {
  const auto device = vlm_.model->device();
  const auto index = [&](const std::vector<int64_t>& which) {
    return at::tensor(which, at::kLong).to(device);
  };
  Batch distinct;
  for (const auto query : labels.text_queries) {
    distinct.rows.push_back(batch.rows[static_cast<size_t>(query)]);
    distinct.rows.back().images.clear();
  }
  const auto text = question_features(vlm_, distinct, {}, state_->features).text;
  const auto& keys = state_->keys;
  const auto texts = keys.texts(text);  // (U, e)
  const auto text_distances = key_distances(texts.index_select(0, index(labels.edit_text)), texts);
  if (!state_->features.pictures)
    return key_loss(text_distances, labels.in_scope.to(device), labels.out_of_scope.to(device));

  // Only the pairs that count have a key. The last picture is none.
  const auto width = labels.in_scope.size(1) / texts.size(0);
  auto counts = at::logical_or(labels.in_scope, labels.out_of_scope).any(0);
  counts.index_fill_(0, index(labels.edit_pair).to(at::kCPU), true);
  const auto used = counts.nonzero().squeeze(1);  // (P)
  const auto which_text = at::floor_divide(used, width);
  const auto which_picture = used.remainder(width);
  const auto bare = which_picture == width - 1;
  const auto with = bare.logical_not().nonzero().squeeze(1);
  auto pictures = keys.without_picture(text).index_select(0, which_text);  // (P, e)
  if (with.numel() > 0)
    pictures = pictures.index_copy(
        0, with,
        keys.crossed(text, seen.to(at::kFloat),
                     (which_text * (width - 1) + which_picture).index_select(0, with)));
  const auto place = at::cumsum(counts, 0) - 1;  // of a pair among the used ones
  const auto edits = place.index_select(0, index(labels.edit_pair));
  const auto distances = text_distances.index_select(1, which_text) +
                         key_distances(pictures.index_select(0, edits), pictures);
  return key_loss(distances, labels.in_scope.index_select(1, used),
                  labels.out_of_scope.index_select(1, used));
}

void TrainableLedger::load(const std::map<std::string, at::Tensor>& tensors,
                           const std::string& file) {
  if (tensors.count("calibration")) {
    auto networks = tensors;
    networks.erase("calibration");  // they are computed again
    networks.erase("calibration_facts");
    return copy_tensors(networks, state_->parameters(), "ledger", file);
  }
  // A checkpoint of SERAC has the same counterfactual model.
  std::map<std::string, at::Tensor> reading;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with("counterfactual.")) reading[name] = tensor;
  copy_tensors(reading, state_->counterfactual.parameters(), "ledger", file);
}

}  // namespace emend
