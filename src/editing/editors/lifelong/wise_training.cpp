#include "editing/editors/lifelong/wise_training.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "io/error.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

// The margins of the activations [WISE, arXiv 2405.14768, eq. 6], a mean over the questions.
struct ActivationMargins {
  double out, in, gap;

  // inside: (n), outside: (m)
  at::Tensor loss(const at::Tensor& inside, const at::Tensor& outside) const {
    return (outside - out).clamp_min(0).mean() + (in - inside).clamp_min(0).mean() +
           (gap + outside.unsqueeze(0) - inside.unsqueeze(1)).clamp_min(0).mean();
  }
};

}  // namespace

PromptInputs read_prompts(const Model& model, const Pass& pass, const Site& site,
                          const Interventions& base) {
  at::NoGradGuard no_grad;
  PromptInputs read;
  auto all = base;
  all.push_back(Intervention::input(site.name, [&](const at::Tensor& x) {
    read.input = x.to(at::kFloat);
    return x;
  }));
  all.push_back(Intervention::output(site.name, [&](const at::Tensor& y) {
    read.output = y.to(at::kFloat);
    return y;
  }));
  auto copy = pass;
  model.run(copy, site.stage, all);
  read.positions = prompt_positions(pass);
  return read;
}

SideEdit train_side_copy(const Vlm& vlm, const ForcedBatch& inside, const ForcedBatch& outside,
                         const Site& site, const SideCopy& copy, const WiseSettings& settings,
                         const EditContext& context) {
  const auto& model = *vlm.model;
  const auto device = model.device();
  auto kept = forward_until(vlm, inside.batch, site.stage, context.base, context.store);
  kept.logit_positions = answer_positions(inside).to(device);
  const auto tokens = answer_tokens(inside).to(device);
  const auto bare = static_cast<int64_t>(inside.answers.front().size());
  const auto asked = read_prompts(model, kept, site, context.base);
  const auto unrelated = read_prompts(
      model, forward_until(vlm, outside.batch, site.stage, context.base, context.store), site,
      context.base);

  SideEdit edit;
  const auto prompt = asked.positions[0].nonzero().squeeze(1);
  edit.keys = asked.input[0].index_select(0, prompt).to(at::kCPU).contiguous();
  double weight_unit = 1, output_unit = 1;
  if (settings.relative) {
    weight_unit = std::sqrt(model.weight(site).to(at::kFloat).square().mean().item<double>());
    output_unit = asked.output[0].index_select(0, prompt).norm(2, 1).mean().item<double>();
  }
  const ActivationMargins margins{settings.margin_out * output_unit,
                                  settings.margin_in * output_unit,
                                  settings.margin_gap * output_unit};
  const double bound = settings.norm_constraint * weight_unit;

  auto change = copy.change.clone().requires_grad_();
  const auto on_device = copy.mask.to(device);
  for (int64_t step = 0;; ++step) {
    at::AutoGradMode gradients(step < settings.steps);
    auto changes = context.base;
    changes.push_back(Intervention::weight(site.name, {change, {}, {}}));
    auto pass = kept;
    model.run(pass, changes);
    const auto logits = pass.logits().to(at::kFloat);
    const auto answer = answer_loss(logits, tokens);
    const auto in = asked.activations(change, settings.activation);
    const auto out = unrelated.activations(change, settings.activation);
    const auto margin = margins.loss(in, out);
    edit.losses.push_back(answer.item<double>());
    edit.inside = in[0].item<double>();
    edit.outside = out.max().item<double>();
    if (context.on_step) context.on_step(step, settings.steps, edit.losses.back());
    if (!std::isfinite(edit.losses.back()) || !std::isfinite(margin.item<double>()))
      throw Error("editing::wise",
                  fmt::format("the loss is {} after {} steps", edit.losses.back(), step),
                  fmt::format("lower the learning rate, now {} (--set lr=...)", settings.lr));
    const bool holds =
        logits.slice(0, 0, bare).argmax(-1).eq(tokens.slice(0, 0, bare)).all().item<bool>();
    if (step == settings.steps ||
        (holds && edit.losses.back() < settings.stop_loss && margin.item<double>() <= 0))
      break;
    const auto gradient =
        torch::autograd::grad({answer + margin}, {change}, {}, false, false, true).at(0);
    if (!gradient.defined() || (step == 0 && !at::count_nonzero(gradient).is_nonzero()))
      throw Error("editing::wise", "the answer does not depend on " + site.name,
                  "choose an earlier block (--set layer=...)");
    at::NoGradGuard no_grad;
    auto masked = gradient.flatten().index_select(0, on_device);
    if (settings.relative) {
      const double size = std::sqrt(masked.square().mean().item<double>());
      if (size > 0) masked = masked * (weight_unit / size);
    }
    auto flat = change.detach().flatten();
    auto values = flat.index_select(0, on_device) - settings.lr * masked;
    if (bound > 0) values = values.clamp(-bound, bound);
    flat.index_copy_(0, on_device, values);
  }
  at::NoGradGuard no_grad;
  edit.values = (change.detach() - copy.change).flatten().index_select(0, on_device).to(at::kCPU);
  return edit;
}

}  // namespace emend
