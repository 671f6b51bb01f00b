#include "editing/training/gradient_factors.h"

#include <memory>

namespace emend {
namespace {

// (B): the mean nll of each row. logits: (K, V), for the answer tokens row by row.
at::Tensor rowwise_losses(const at::Tensor& logits, const ForcedBatch& forced) {
  std::vector<float> weights;
  std::vector<int64_t> rows;
  for (size_t r = 0; r < forced.answers.size(); ++r) {
    const auto size = forced.answers[r].size();
    weights.insert(weights.end(), size, 1.0f / static_cast<float>(size));
    rows.insert(rows.end(), size, static_cast<int64_t>(r));
  }
  auto tokens = answer_tokens(forced).to(logits.device());
  auto logp = at::log_softmax(logits, -1, at::kFloat).gather(-1, tokens.unsqueeze(-1)).squeeze(-1);
  auto nll = -logp * at::tensor(weights).to(logits.device());
  return at::zeros({static_cast<int64_t>(forced.answers.size())}, nll.options())
      .index_add(0, at::tensor(rows).to(logits.device()), nll);
}

}  // namespace

EditFactors edit_factors(const Model& model, const Pass& prefix, const ForcedBatch& forced,
                         const std::vector<Site>& sites, const Interventions& base) {
  std::vector<at::Tensor> inputs(sites.size()), outputs(sites.size());
  Interventions observed = base;
  for (size_t i = 0; i < sites.size(); ++i) {
    observed.push_back(Intervention::input(sites[i].name, [&inputs, i](const at::Tensor& x) {
      inputs[i] = x.detach();
      return x;
    }));
    // No tensor before the first site requires a gradient, so the site's input starts the graph.
    observed.push_back(Intervention::output(sites[i].name, [&outputs, i](const at::Tensor& y) {
      outputs[i] = y.requires_grad() ? y : y.detach().requires_grad_();
      return outputs[i];
    }));
  }
  at::AutoGradMode gradients(true);
  Pass pass = prefix;
  pass.logit_positions = answer_positions(forced).to(model.device());
  pass.batched_pictures = true;  // a site gets the pictures as one tensor
  model.run(pass, observed);
  auto losses = rowwise_losses(pass.logits(), forced);

  std::vector<at::Tensor> reached;
  for (const auto& output : outputs)
    if (output.defined()) reached.push_back(output);
  EditFactors factors;
  factors.sites.resize(sites.size());
  factors.losses = losses.detach();
  factors.loss = factors.losses.mean().item<double>();
  if (reached.empty()) return factors;
  auto found =
      torch::autograd::grad({losses.sum()}, reached, {}, false, false, /*allow_unused=*/true);
  size_t next = 0;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (!outputs[i].defined()) continue;
    auto gradient = found[next++];
    if (!gradient.defined()) continue;
    factors.sites[i].input = inputs[i].to(at::kFloat);
    factors.sites[i].gradient = gradient.to(at::kFloat);
  }
  return factors;
}

SiteDelta joined(const EditDeltas& deltas) {
  auto up = deltas.up.flatten(0, 1), down = deltas.down.flatten(0, 1);
  auto used = (down != 0).any(-1).logical_and((up != 0).any(-1)).nonzero().squeeze(-1);
  SiteDelta change;
  change.site = deltas.site;
  change.delta.up = up.index_select(0, used).t().contiguous();
  change.delta.down = down.index_select(0, used).contiguous();
  return change;
}

Interventions attach(const Model& model, const std::vector<EditDeltas>& deltas,
                     const EditIndex& edit_index) {
  Interventions interventions;
  for (const auto& delta : deltas) {
    bool of_rows = model.stages()[model.site(delta.site).stage].module == Module::language;
    auto edit = of_rows ? edit_index.row : edit_index.picture;
    if (!edit.defined()) continue;
    // The interventions of one site share the first intervention's input.
    auto input = std::make_shared<at::Tensor>();
    interventions.push_back(Intervention::input(delta.site, [input](const at::Tensor& x) {
      *input = x;
      return x;
    }));
    interventions.push_back(
        Intervention::output(delta.site, [input, delta, edit](const at::Tensor& y) {
          auto down = delta.down.index_select(0, edit).transpose(1, 2);
          auto read = at::bmm(input->to(at::kFloat), down);  // (R, T, n)
          input->reset();
          return at::baddbmm(y.to(at::kFloat), read, delta.up.index_select(0, edit));
        }));
  }
  return interventions;
}

}  // namespace emend
