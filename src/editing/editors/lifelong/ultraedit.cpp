#include "editing/editors/lifelong/ultraedit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "editing/editors/editors.h"
#include "editing/editors/hyper/hyper_editor.h"
#include "editing/editors/lifelong/column_statistics.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/targets/edited_layers.h"
#include "editing/targets/target_modules.h"
#include "editing/training/gradient_factors.h"
#include "io/error.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

// The learning rates of an edit that are tried: the one whose first-order change of the loss is the
// loss, times powers of 2 with these exponents.
constexpr int kFirstPower = -2, kLastPower = 4;

struct UltraEditSettings {
  EditedLayers where;
  double lr = 0;
  double stop_loss = 0.5;
  double prior_rows = 100;
  bool end_of_answer = true;

  void declare(SettingList& list) {
    where.declare(list, module_names());
    list.number("lr", lr, 0, 1e6,
                "learning rate of the one step (published: 1e-6); 0: the smallest that makes the "
                "edit hold, found by doubling");
    list.number("stop_loss", stop_loss, 0, 1e9,
                "with lr=0: the loss (nats a token) below which the learning rate is large enough");
    list.number("prior_rows", prior_rows, 0, 1e9,
                "number of rows of mean 0 with which the statistics of keys and gradients begin; "
                "0: none, as published");
    list.flag("end_of_answer", end_of_answer,
              "also train the end-of-answer token after the target");
  }
};

// The last third of the blocks: 18 to 27 of 28. The published ones are 18 to 26.
std::vector<size_t> upper_blocks(size_t count) {
  std::vector<size_t> blocks;
  for (auto block = 2 * count / 3; block < count; ++block) blocks.push_back(block);
  return blocks;
}

using Shape = std::pair<int64_t, int64_t>;
Shape shape_of(const SiteKeys& keys) { return {keys.keys.size(1), keys.gradients.size(1)}; }

at::Tensor joined_rows(const SiteKeys& keys) {
  return at::cat({keys.keys, keys.gradients}, 1).to(at::kDouble);
}

// The answer positions of a layer of the language model, or all positions of the pictures.
SiteKeys keys_of(const Model& model, const Site& site, const GradientFactors& factors,
                 const at::Tensor& positions) {
  SiteKeys keys{site.name, factors.input.flatten(0, -2), factors.gradient.flatten(0, -2)};
  const auto rows = model.stages()[site.stage].module == Module::language
                        ? positions
                        : (keys.gradients != 0).any(-1).nonzero().squeeze(-1);
  keys.keys = keys.keys.index_select(0, rows);
  keys.gradients = keys.gradients.index_select(0, rows);
  return keys;
}

EditDeltas edit_deltas(const SiteKeys& keys, const WeightDelta& change, double lr) {
  return {keys.site, (change.up * lr).to(at::kFloat).t().unsqueeze(0).contiguous(),
          change.down.to(at::kFloat).unsqueeze(0)};
}

class UltraEditEditor : public Editor {
 public:
  explicit UltraEditEditor(const nlohmann::json& given)
      : settings_(read_settings<UltraEditSettings>("ultraedit", given)) {}

  std::string name() const override { return "ultraedit"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override {
    return first_stage_of(model, settings_.where.find(model, upper_blocks));
  }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context) const override;

 private:
  UltraEditSettings settings_;
};

// The loss of the edits with changes, and whether every answer token is the most likely one.
struct Outcome {
  double loss;
  bool holds;
};

Outcome outcome(const Model& model, Pass pass, const ForcedBatch& forced,
                const Interventions& changes) {
  at::NoGradGuard no_grad;
  pass.logit_positions = answer_positions(forced).to(model.device());
  model.run(pass, changes);
  const auto tokens = answer_tokens(forced).to(model.device());
  const auto logits = pass.logits().to(at::kFloat);
  return {answer_loss(logits, tokens).item<double>(), logits.argmax(-1).equal(tokens)};
}

Patch UltraEditEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                            const EditContext& context) const {
  refuse_request_edits(context);
  const auto& model = *vlm.model;
  const auto sites = settings_.where.find(model, upper_blocks);
  const auto forced = force_edits(vlm, requests, settings_.end_of_answer);
  const auto prefix =
      forward_until(vlm, forced.batch, first_stage_of(model, sites), context.base, context.store);
  const auto factors = edit_factors(model, prefix, forced, sites, context.base);

  at::NoGradGuard no_grad;
  const auto positions = answer_positions(forced).to(model.device());
  std::map<Shape, std::vector<SiteKeys>> seen, own;  // by shape
  std::vector<SiteKeys> keys;
  for (const auto& earlier : context.history)
    if (earlier.gradients.defined()) seen[shape_of(earlier)].push_back(earlier);
  for (size_t i = 0; i < sites.size(); ++i) {
    if (!factors.sites[i].input.defined()) continue;
    const auto one = keys_of(model, sites[i], factors.sites[i], positions);
    keys.push_back(one);
    own[shape_of(one)].push_back(one);
  }

  std::vector<std::pair<SiteKeys, WeightDelta>> changes;  // for the learning rate 1
  double slope = 0;  // the first-order change of the summed loss for the learning rate 1
  for (const auto& [shape, layers] : own) {
    auto& all = seen[shape];
    all.insert(all.end(), layers.begin(), layers.end());
    const auto wanted = target_outputs(all, layers, settings_.prior_rows);
    for (size_t i = 0; i < layers.size(); ++i) {
      const auto change = ridge_update(layers[i].keys, wanted[i]);
      const auto outputs =
          at::matmul(at::matmul(layers[i].keys.to(at::kDouble), change.down.t()), change.up.t());
      slope += (outputs * layers[i].gradients).sum().item<double>();
      changes.emplace_back(layers[i], change);
    }
  }
  if (slope == 0 && !own.empty() && settings_.prior_rows == 0)
    throw Error("editing::ultraedit", "the keys and gradients of the edit do not vary",
                "begin the statistics with further rows (--set prior_rows=100)");
  const auto with = [&](double lr) {
    std::vector<EditDeltas> deltas;
    for (const auto& [layer, change] : changes) deltas.push_back(edit_deltas(layer, change, lr));
    return deltas;
  };

  HyperEdit edit;
  edit.losses = {factors.loss};
  double lr = settings_.lr;
  if (lr == 0 && slope < 0) {
    const double newton = factors.losses.sum().item<double>() / -slope;
    double best = std::numeric_limits<double>::infinity();
    for (int power = kFirstPower; power <= kLastPower; ++power) {
      const double tried = std::ldexp(newton, power);
      auto interventions = context.base;
      for (const auto& deltas : with(tried))
        interventions.push_back(Intervention::weight(deltas.site, joined(deltas).delta));
      const auto now = outcome(model, prefix, forced, interventions);
      if (context.on_step) context.on_step(power - kFirstPower, kLastPower - kFirstPower, now.loss);
      if (now.loss < best || now.holds) {
        best = now.loss;
        lr = tried;
      }
      if (now.holds && now.loss < settings_.stop_loss) break;
    }
  }
  if (lr == 0 && slope != 0)
    throw Error("editing::ultraedit",
                "the change against the normalized gradients does not reduce the loss of the edit",
                "remove earlier edits, or increase prior_rows (--set prior_rows=1000)");
  edit.deltas = with(lr);
  edit.failure_reason = settings_.lr == 0 ? "no_progress" : "step_limit";
  edit.effect = {{"lr", lr}};
  auto patch = hyper_patch(*this, vlm, requests, context, forced, prefix, edit);
  for (auto& layer : keys) {
    layer.keys = layer.keys.contiguous();
    layer.gradients = layer.gradients.contiguous();
  }
  patch.keys = keys;
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace

std::vector<at::Tensor> target_outputs(const std::vector<SiteKeys>& seen,
                                       const std::vector<SiteKeys>& layers, double prior_rows) {
  std::vector<at::Tensor> rows, wanted;
  for (const auto& keys : seen) rows.push_back(joined_rows(keys));
  const auto statistics = ColumnStatistics::of(at::cat(rows), prior_rows);
  for (const auto& layer : layers) {
    const auto in = layer.keys.size(1);
    const auto normalized = statistics.normalized(joined_rows(layer));
    const auto weights = normalized.slice(1, 0, in).square().sum(1, /*keepdim=*/true);
    wanted.push_back(-weights * normalized.slice(1, in));
  }
  return wanted;
}

WeightDelta ridge_update(const at::Tensor& keys, const at::Tensor& wanted) {
  const auto h = keys.to(at::kDouble);
  const auto gram = at::matmul(h, h.t()) + at::eye(h.size(0), h.options());
  return {{}, at::linalg_solve(gram, wanted).t(), h};
}

EditorInfo ultraedit_editor() {
  return {
      "ultraedit",
      "changes feed-forward layers by one gradient, normalized over all edits, and one linear "
      "solve (low-rank patch)",
      describe_settings<UltraEditSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<UltraEditEditor>(given); },
      {},
      {"The learning rate is found for each edit: it is doubled until the edit holds. lr=1e-6 is "
       "the published one, for models of 7 billion parameters.",
       "The statistics begin with 100 rows of mean 0 (prior_rows), so that the first edits of a "
       "stack keep the signs of their gradients: the paper starts with a batch of 100 edits.",
       "The statistics are those of the edits that are applied: an edit that is removed no longer "
       "counts.",
       "The end of the answer is also trained, so that generation stops after the target.",
       "In connector, projector and vision_tower, all positions of the picture are keys."}};
}

}  // namespace emend
