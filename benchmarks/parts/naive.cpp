#include "naive.h"

#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "editing/optim/optimizer.h"
#include "evaluation/protocol/metrics.h"
#include "nn/loss.h"
#include "sample_record.h"

namespace emend::bench {
namespace {

// Logits of one row for the whole vocabulary, computed from the pixels: (T, V).
at::Tensor logits_of(const Vlm& vlm, const Batch& batch, const Interventions& interventions) {
  auto pass = vlm.model->collate(batch);
  vlm.model->run(pass, interventions);
  return pass.logits()[0];
}

// The measurement of all probes, before or after the edit.
std::vector<at::Tensor> ask_all(const Vlm& vlm, const std::vector<TargetQuery>& queries,
                                const Interventions& interventions) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> answers;
  for (const auto& query : queries) {
    const auto forced = force(vlm, {query}, /*end_of_answer=*/false);
    const auto logits = logits_of(vlm, forced.batch, interventions);
    answers.push_back(logits.to(at::kCPU, at::kFloat, false, /*copy=*/true));
  }
  return answers;
}

double compare(const std::vector<at::Tensor>& before, const std::vector<at::Tensor>& after) {
  double sum = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const auto top = std::get<1>(before[i].softmax(-1).topk(10));
    sum += top.eq(std::get<1>(after[i].softmax(-1).topk(10))).to(at::kFloat).mean().item<double>();
  }
  return sum;
}

// Either the weights themselves, or low-rank factors.
struct Tuned {
  std::vector<at::Tensor> parameters, kept;
  Interventions beside;
};

Tuned prepare(const Model& model, const Tuning& tuning) {
  Tuned tuned;
  for (const auto& [name, delta] : tuning.sites) {
    if (!delta.low_rank()) {
      auto weight = model.weight(model.site(name));
      tuned.kept.push_back(weight.clone());
      tuned.parameters.push_back(weight.requires_grad_());
      continue;
    }
    auto change =
        Intervention::weight(name, {{},
                                    at::zeros_like(delta.up).requires_grad_(),
                                    at::randn_like(delta.down).mul_(0.01).requires_grad_()});
    tuned.parameters.push_back(change.delta.up);
    tuned.parameters.push_back(change.delta.down);
    tuned.beside.push_back(std::move(change));
  }
  return tuned;
}

void put_back(Tuned& tuned) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < tuned.kept.size(); ++i) {
    tuned.parameters[i].requires_grad_(false);
    tuned.parameters[i].copy_(tuned.kept[i]);
  }
}

}  // namespace

double run_naive(const Vlm& vlm, const Record& record, const Protocol& protocol,
                 const Tuning& tuning) {
  const auto request = request_of(record, protocol);
  std::vector<TargetQuery> probes{{request.image, request.prompt, request.target}};
  for (const auto& probe : record.probes)
    probes.push_back(
        {probe.image, probe_prompt(protocol, record, probe), continuation(protocol, probe.answer)});

  const auto before = ask_all(vlm, probes, {});

  auto tuned = prepare(*vlm.model, tuning);
  const auto optimizer = make_optimizer("adamw", tuned.parameters, {tuning.lr, 0});
  const auto forced = force(vlm, {probes.front()}, /*end_of_answer=*/false);
  const auto positions = answer_positions(forced), tokens = answer_tokens(forced);
  double last = 0;
  for (int64_t step = 0; step < tuning.steps; ++step) {
    const auto logits = logits_of(vlm, forced.batch, tuned.beside).to(at::kFloat);
    const auto loss = answer_loss(logits.index_select(0, positions), tokens);
    last = loss.item<double>();
    optimizer->step(torch::autograd::grad({loss}, tuned.parameters, {}, false, false,
                                          /*allow_unused=*/true));
  }
  const auto after = ask_all(vlm, probes, tuned.beside);
  put_back(tuned);
  return std::isfinite(compare(before, after)) ? last : NAN;
}

}  // namespace emend::bench
