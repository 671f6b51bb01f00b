#include "editing/editors/liveedit/training.h"

#include <array>

#include "editing/editors/liveedit/routing_losses.h"
#include "editing/editors/liveedit/step_questions.h"

namespace emend {
namespace {

using QuestionKind = StepQuestions::Kind;

// The answer tokens of a step's questions: where they are predicted, and how much they count.
struct StepAnswers {
  at::Tensor positions, tokens;
  at::Tensor nll, divergence;   // weights of the losses
  std::vector<int64_t> fixed;   // the answer tokens of unrelated questions, as indices
};

StepAnswers step_answers(const StepQuestions& step, const ForcedBatch& forced,
                         const LiveEditTrainingSettings& settings, at::Device device) {
  StepAnswers answers;
  answers.positions = answer_positions(forced).to(device);
  answers.tokens = answer_tokens(forced).to(device);
  std::vector<float> nll, divergence;
  int64_t token = 0;
  for (size_t q = 0; q < step.queries.size(); ++q) {
    const auto kind = step.kind[q];
    const auto size = forced.answers[q].size();
    const auto part = 1 / (static_cast<double>(size) * static_cast<double>(step.count(kind)));
    const bool fixed = kind == QuestionKind::unrelated;
    const auto weight = fixed                          ? settings.locality_weight
                        : kind == QuestionKind::edit ? settings.edit_weight
                                                       : settings.generality_weight;
    nll.insert(nll.end(), size, fixed ? 0.0f : static_cast<float>(weight * part));
    for (size_t i = 0; i < size; ++i, ++token) {
      if (!fixed) continue;
      answers.fixed.push_back(token);
      divergence.push_back(static_cast<float>(weight * part));
    }
  }
  answers.nll = at::tensor(nll).to(device);
  answers.divergence = at::tensor(divergence).to(device);
  return answers;
}

}  // namespace

LiveEditTrainingSettings::LiveEditTrainingSettings() {
  // About 50 epochs of E-VQA, of which the first 10,000 steps have the full learning rate.
  training.steps = 40000;
  training.batch = 8;
  training.accumulate = 1;
  training.lr = 1e-4;
  training.decay = 0.75;
}

void LiveEditTrainingSettings::declare(SettingList& list) {
  config.declare(list);
  list.number("edit_weight", edit_weight, 0, 1e6, "weight of the nll of the edits");
  list.number("generality_weight", generality_weight, 0, 1e6,
              "weight of the nll of reworded questions and questions about other pictures");
  list.number("locality_weight", locality_weight, 0, 1e6,
              "weight of KL(after || before) of unrelated questions about pictures");
  list.number("soft_routing_weight", soft_routing_weight, 0, 1e6,
              "weight of the losses of the routing by text");
  list.number("hard_routing_weight", hard_routing_weight, 0, 1e6,
              "weight of the losses of the routing by picture");
  list.flag("end_of_answer", end_of_answer, "append the stop token to every answer");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed");
  training.declare(list);
}

TrainableLiveEdit::TrainableLiveEdit(const Vlm& vlm, const nlohmann::json& settings,
                                     ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<LiveEditTrainingSettings>("liveedit", settings)),
      state_(std::make_shared<LiveEditState>(*vlm.model, settings_.config,
                                             static_cast<uint64_t>(settings_.seed))) {}

std::vector<TrainableParameter> TrainableLiveEdit::parameters() const {
  return trainable_parameters(state_->parameters());
}

std::map<std::string, at::Tensor> TrainableLiveEdit::tensors() const {
  return detached_tensors(state_->parameters());
}

void TrainableLiveEdit::load(const std::map<std::string, at::Tensor>& tensors,
                             const std::string& file) {
  copy_tensors(tensors, state_->parameters(), "liveedit", file);
}

EditLosses TrainableLiveEdit::losses(const std::vector<EditExample>& examples, int64_t /*step*/) {
  const auto& model = *vlm_.model;
  const auto device = model.device();
  const auto index = [&](const std::vector<int64_t>& which) {
    return at::tensor(which, at::kLong).to(device);
  };
  const StepQuestions step(examples, settings_.seed);
  const auto forced = force(vlm_, step.queries, settings_.end_of_answer);
  auto pass = training_pass(vlm_, forced.batch, state_->stage + 1, store_);
  // An expert is made without the stop token, which `emend edit` does not know.
  const bool stops = settings_.end_of_answer && !vlm_.processor.stop_tokens.empty();
  std::vector<int64_t> lengths;
  for (const auto& answer : forced.answers)
    lengths.push_back(static_cast<int64_t>(answer.size()) - (stops ? 1 : 0));
  const auto states = QuestionStates::of(pass, pass.hidden, index(lengths));
  const auto answers = step_answers(step, forced, settings_, device);

  pass.logit_positions = answers.positions.index_select(0, index(answers.fixed));
  at::Tensor before;
  if (!answers.fixed.empty()) {
    at::NoGradGuard no_grad;
    auto unedited = pass;
    model.run(unedited);
    before = at::log_softmax(unedited.logits(), -1, at::kFloat);
  }

  const auto& generator = state_->generator;
  const auto& router = state_->router;
  const auto edits = states.rows(index(step.edits()));
  const auto texts = router.features().text(states);
  const auto weights = expert_weights(feature_similarity(texts, generator.features().text(edits)),
                                      step.expert_mask.to(device));
  const auto added =
      expert_output(router.normalized(states.hidden), generator.experts(edits), weights);
  pass.hidden = (states.hidden + added).to(pass.hidden.scalar_type());
  pass.logit_positions = answers.positions;
  model.run(pass);
  const auto after = at::log_softmax(pass.logits(), -1, at::kFloat);
  const auto said = after.gather(-1, answers.tokens.unsqueeze(-1)).squeeze(-1);
  const auto nll = -(said * answers.nll).sum();
  auto divergence = at::zeros({}, nll.options());
  if (before.defined()) {
    const auto now = after.index_select(0, index(answers.fixed));
    divergence = ((now.exp() * (now - before)).sum(-1) * answers.divergence).sum();
  }

  const auto asked = index(step.positives.inputs);
  const auto inputs = states.rows(asked), own = states.rows(index(step.positives.edits));
  const auto soft =
      soft_routing_loss(texts.index_select(0, asked), generator.features().text(own));
  auto hard = neighbor_loss(router.features().picture(inputs), generator.features().picture(own),
                            router.sentinel(inputs));
  if (!step.negatives.inputs.empty()) {
    const auto far = states.rows(index(step.negatives.inputs));
    const auto others = states.rows(index(step.negatives.edits));
    hard = hard + sentinel_loss(router.features().picture(far),
                                generator.features().picture(others), router.sentinel(far));
  }

  EditLosses losses;
  const auto routing =
      settings_.soft_routing_weight * soft + settings_.hard_routing_weight * hard;
  losses.total = nll + divergence + routing;
  losses.generality = nll.item<double>();
  losses.image_locality = divergence.item<double>();
  losses.ranks = routing.item<double>();
  return losses;
}

}  // namespace emend
