#include "editing/editors/hyper/mend_training.h"

namespace emend {

void MendTrainingSettings::declare(SettingList& list) {
  where.declare(list);
  list.whole("rank", rank, 1, 1000000,
             "rank of the networks; limited to the width of their layers");
  list.number("rate", rate, -10, 10,
              "initial step size of every layer; negative: gradient descent");
  list.number("init", init, 0, 100, "initial standard deviation of V in the networks");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed of the initial networks");
  weights.declare(list);
  training.declare(list);
}

void MendIteratedTrainingSettings::declare(SettingList& list) {
  MendTrainingSettings::declare(list);
  list.whole("rounds", rounds, 1, 100,
             "number of gradients for one edit, each of the model as changed by the earlier ones");
}

TrainableMend::TrainableMend(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store)
    : TrainableMend(vlm, read_settings<MendTrainingSettings>("mend", settings), 1, store) {}

TrainableMendIterated::TrainableMendIterated(const Vlm& vlm, const nlohmann::json& settings,
                                             ActivationStore* store)
    : TrainableMendIterated(
          vlm, read_settings<MendIteratedTrainingSettings>("mend-iterated", settings), store) {}

TrainableMend::TrainableMend(const Vlm& vlm, const MendTrainingSettings& settings, int64_t rounds,
                             ActivationStore* store)
    : TrainableHyperEditor(vlm, store), settings_(settings) {
  const auto& model = *vlm.model;
  MendNetwork::Options options;
  options.rank = settings_.rank;
  options.rounds = rounds;
  options.rate = settings_.rate;
  options.init = settings_.init;
  options.seed = static_cast<uint64_t>(settings_.seed);
  options.device = model.device();
  state_ = std::make_shared<MendState>(MendState{MendNetwork(settings_.where.find(model), options),
                                                 settings_.weights.end_of_answer});
}

std::vector<TrainableParameter> TrainableMend::parameters() const {
  std::vector<TrainableParameter> all;
  for (const auto& [name, tensor] : state_->network.parameters())
    all.push_back({name, tensor, MendNetwork::is_rate(name)});
  return all;
}

EditLosses TrainableMend::losses(const std::vector<EditExample>& examples, int64_t /*step*/) {
  const auto& model = *vlm_.model;
  auto batch = prepare(examples, state_->network.sites(), settings_.weights.end_of_answer);
  const auto observe = [&](const std::vector<GradientFactors>& factors) {
    state_->network.observe(factors, group_);
  };
  auto made = state_->make(model, batch.edit_pass, batch.edits, {}, observe);
  return edit_losses(model, batch, made.deltas, settings_.weights, group_);
}

}  // namespace emend
