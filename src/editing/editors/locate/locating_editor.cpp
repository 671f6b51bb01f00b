#include "editing/editors/locate/locating_editor.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/locate/contexts/context_templates.h"
#include "editing/editors/locate/edit_effect.h"
#include "editing/editors/locate/solve/picture_change.h"
#include "editing/editors/locate/value/optimize_value.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/statistics/moments_file.h"
#include "editing/targets/ffn_outputs.h"
#include "editing/targets/target_modules.h"
#include "editing/tracing/trace_edits.h"
#include "io/error.h"
#include "models/caching/prefix.h"

namespace emend {

// One edit of a batch.
struct LocatedEdit {
  EditContexts contexts;
  EditValue value;
  Pass pass;  // before the stage of the next site, with the changes of earlier sites
  // (n, d) the residual stream after the last site's stage, without the edit
  at::Tensor before = {};
  // (n, out) float64: what the closed form distributes over the sites
  at::Tensor residual = {};
};

namespace {

// The mean over the contexts of the residual stream after `last`: (n, d) float64.
at::Tensor mean_stream(const Model& model, const Pass& pass, const EditContexts& contexts,
                       size_t last, const Interventions& interventions) {
  at::NoGradGuard no_grad;
  auto copy = pass;
  model.run(copy, last, interventions);
  return at_lookup(copy.hidden, contexts).mean(0).to(at::kDouble);
}

// (contexts, n, d) -> (d, n) float64.
at::Tensor weighted_mean(const at::Tensor& values, const at::Tensor& weights) {
  return (values.to(at::kDouble) * weights.to(at::kDouble).view({-1, 1, 1})).sum(0).t();
}

// (contexts, n, d) -> (d, contexts * n) float64.
at::Tensor as_columns(const at::Tensor& values) { return values.to(at::kDouble).flatten(0, 1).t(); }

at::Tensor history_at(const EditContext& context, const std::string& site) {
  return keys_at(context.history, site);
}

// With generated prefixes, the mean key of an edit may be far from the key of the prompt itself, so
// that the change has no effect on the prompt.
bool may_separate_contexts(const LocateSettings& settings, bool contexts_are_keys,
                           const std::vector<EditRequest>& requests) {
  return settings.keys == "auto" && !contexts_are_keys && settings.prefixes > 0 &&
         settings.steps > 0 && requests.size() == 1 && !requests.front().image.present();
}

double first_loss(const std::vector<LocatedEdit>& edits) {
  double sum = 0;
  for (const auto& edit : edits) sum += edit.value.losses.front();
  return sum / static_cast<double>(edits.size());
}

// A patch has one list of keys for each site.
void add_keys(std::vector<SiteKeys>& all, const SiteKeys& more) {
  for (auto& known : all)
    if (known.site == more.site) {
      known.keys = at::cat({known.keys, more.keys}, 0);
      return;
    }
  all.push_back(more);
}

}  // namespace

at::Tensor LocatingEditor::key_weights(int64_t contexts) const {
  if (contexts == 1) return at::ones({1});
  auto weights = at::full({contexts}, 0.5 / static_cast<double>(contexts - 1));
  weights[0] = 0.5;
  return weights;
}

std::vector<std::string> with_common_departures(std::vector<std::string> own) {
  for (const char* common :
       {"The learning rate of the value is relative to the layer's output. If the value does not "
        "give the answer, its optimization continues with sharpened logits.",
        "If a single edit of a prompt without a picture does not hold with the mean key of its "
        "context templates, each template has its own key; keys=mean is the published algorithm.",
        "The end of the answer is also trained, so that generation stops after the target.",
        "Without a subject, or with a picture, there is a key at every position that predicts a "
        "token of the answer, and the offset may be 10 times as large as the value."})
    own.emplace_back(common);
  return own;
}

std::vector<size_t> default_blocks(const Model& model, const std::string& module, size_t count,
                                   size_t edited, bool at_subject) {
  if (module != "language") return {count - 1};
  const double depth = at_subject || !model.reads_pictures() ? 0.36 : 0.75;
  const auto last = static_cast<size_t>(depth * static_cast<double>(count));
  std::vector<size_t> blocks;
  for (auto block = last + 1 - std::min(edited, last + 1); block <= last; ++block)
    blocks.push_back(block);
  return blocks;
}

struct LocatingEditor::Batch {
  std::vector<LocatedEdit> edits;
  std::vector<SiteDelta> deltas;
  std::vector<SiteKeys> keys;
  nlohmann::json sites = nlohmann::json::array();  // facts of each site
};

std::vector<Site> LocatingEditor::sites(const Model& model, const Choice& choice) const {
  const auto& where = locate_settings().where;
  if (where.traced()) {
    const auto all = ffn_outputs(model, where.module);
    std::vector<Site> sites;
    for (const auto block : choice.traced_blocks) sites.push_back(all.at(block));
    return sites;
  }
  return where.find(model, [&](size_t count) {
    return default_blocks(model, where.module, count, default_layer_count(), choice.at_subject);
  });
}

// The kind of key and the trace are known when an edit is made.
size_t LocatingEditor::first_stage(const Model& model) const {
  Choice any;
  if (locate_settings().where.traced())
    for (size_t block = 0; block < ffn_outputs(model, locate_settings().where.module).size();
         ++block)
      any.traced_blocks.push_back(block);
  auto subject = any;
  subject.at_subject = true;
  return std::min(first_stage_of(model, sites(model, any)),
                  first_stage_of(model, sites(model, subject)));
}

LocatingEditor::Choice LocatingEditor::choose(const Vlm& vlm,
                                              const std::vector<EditRequest>& requests,
                                              const EditContext& context) const {
  const auto& settings = locate_settings();
  Choice choice;
  choice.at_subject =
      std::any_of(requests.begin(), requests.end(),
                  [&](const EditRequest& request) { return has_subject_key(settings, request); });
  if (!settings.where.traced()) return choice;
  const auto part = module_part(settings.where.module);
  const auto count = ffn_outputs(*vlm.model, settings.where.module).size();
  const auto found = trace_edits(vlm, requests, settings.trace, part, context);
  for (const auto block : traced_layers(found, part, static_cast<int64_t>(default_layer_count()))) {
    if (static_cast<size_t>(block) >= count)
      throw Error(
          "editing::locate",
          fmt::format("the trace names block {}, but the module has {} blocks", block, count),
          "use a trace of this model");
    choice.traced_blocks.push_back(static_cast<size_t>(block));
  }
  return choice;
}

const std::vector<std::string>& LocatingEditor::prefixes(const Vlm& vlm) const {
  const auto& settings = locate_settings();
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = prefixes_.try_emplace(vlm.fingerprint());
  if (added && module_part(settings.where.module) == Module::language)
    entry->second = generated_prefixes(vlm, settings.prefixes, settings.prefix_length,
                                       static_cast<uint64_t>(settings.seed));
  return entry->second;
}

std::shared_ptr<const Covariance> LocatingEditor::covariance(const Vlm& vlm, const Site& site,
                                                             const std::vector<Site>& sites) const {
  const auto& settings = locate_settings();
  if (settings.statistics == "none") return nullptr;
  const std::lock_guard lock(mutex_);
  auto& known = covariances_[vlm.fingerprint() + " " + site.name];
  if (!known) {
    std::vector<std::string> names;
    for (const auto& other : sites) names.push_back(other.name);
    const auto file = open_moments(vlm, settings.statistics, names);
    known = std::make_shared<const Covariance>(file.read(vlm, site.name), settings.text_weight,
                                               settings.ridge);
  }
  return known;
}

PictureChange LocatingEditor::picture_change(const Site& site, const at::Tensor& keys,
                                             const at::Tensor& history,
                                             const Covariance* covariance) const {
  at::NoGradGuard no_grad;
  // The residuals of the identity give X^T.
  const auto identity = at::eye(keys.size(1), at::kDouble);
  nlohmann::json facts;
  const auto delta = update({site, keys, keys, identity, history}, covariance, facts);
  const auto solved =
      at::matmul(delta.up.to(at::kDouble), delta.down.to(at::kDouble)).t().contiguous();
  return PictureChange::of(solved, covariance ? covariance->matrix() : at::Tensor());
}

std::vector<LocatedEdit> LocatingEditor::locate(const Vlm& vlm,
                                                const std::vector<EditRequest>& requests,
                                                const std::vector<Site>& sites,
                                                const EditContext& before) const {
  static const std::vector<std::string> kNoPrefixes;
  const auto& model = *vlm.model;
  const auto& settings = locate_settings();
  const auto& last = sites.back();
  std::vector<EditContexts> contexts;
  for (const auto& request : requests)
    contexts.push_back(edit_contexts(vlm, request, settings,
                                     request.image.present() ? kNoPrefixes : prefixes(vlm)));
  std::vector<PictureChange> changes;
  if (optimizes_change(settings, sites.size()))
    for (auto& edit : contexts) {
      const auto pass =
          forward_until(vlm, edit.forced.batch, last.stage, before.base, before.store);
      const auto inputs = read_site(model, pass, edit, last, before.base).input;
      const auto keys = contexts_are_keys(settings, /*change=*/true)
                            ? as_columns(inputs)
                            : weighted_mean(inputs, key_weights(inputs.size(0)));
      changes.push_back(picture_change(last, keys, history_at(before, last.name),
                                       covariance(vlm, last, sites).get()));
      edit.coordinates = changes.back().coordinates(inputs);
    }
  auto values = optimize_values(vlm, contexts, last, settings, before);
  std::vector<LocatedEdit> edits;
  for (size_t e = 0; e < requests.size(); ++e) {
    LocatedEdit edit{std::move(contexts[e]), std::move(values[e]), {}};
    edit.pass = forward_until(vlm, edit.contexts.forced.batch, sites.front().stage, before.base,
                              before.store);
    edit.residual = changes.empty()
                        ? edit.value.offset.to(at::kDouble)
                        : at::matmul(changes[e].to_residual, edit.value.change.to(at::kDouble));
    if (sites.size() > 1)
      edit.before = mean_stream(model, edit.pass, edit.contexts, last.stage, before.base);
    edits.push_back(std::move(edit));
  }
  return edits;
}

LocatingEditor::Batch LocatingEditor::distribute(const Vlm& vlm, std::vector<LocatedEdit> edits,
                                                 const std::vector<Site>& sites,
                                                 bool contexts_are_keys,
                                                 const EditContext& before) const {
  const auto& model = *vlm.model;
  const auto& settings = locate_settings();
  const bool change = optimizes_change(settings, sites.size());
  const auto& last = sites.back();
  Batch batch;
  auto interventions = before.base;
  for (size_t s = 0; s < sites.size(); ++s) {
    const auto& site = sites[s];
    // `kept`: the keys that the patch has, one for each position.
    std::vector<at::Tensor> keys, bare, kept, residuals;
    for (auto& edit : edits) {
      at::NoGradGuard no_grad;
      if (edit.pass.next < site.stage) model.run(edit.pass, site.stage - 1, interventions);
      const auto values = read_site(model, edit.pass, edit.contexts, site, interventions);
      const auto contexts = values.input.size(0);
      auto residual = edit.residual;
      if (sites.size() > 1)
        residual = residual + edit.before -
                   mean_stream(model, edit.pass, edit.contexts, last.stage, interventions);
      if (contexts_are_keys) {
        keys.push_back(as_columns(values.input));
        bare.push_back(keys.back());
        kept.push_back(change ? weighted_mean(values.input, key_weights(contexts)) : keys.back());
        if (!change) residual = residual.repeat({contexts, 1});
      } else {
        keys.push_back(weighted_mean(values.input, key_weights(contexts)));
        bare.push_back(values.input[0].t().to(at::kDouble));
        kept.push_back(keys.back());
        if (corrects_mean_output() && sites.size() == 1 && !change)
          residual = residual + edit.value.output.to(at::kDouble) -
                     weighted_mean(values.output, key_weights(contexts)).t();
      }
      residuals.push_back(residual.t() / static_cast<double>(sites.size() - s));
    }
    const auto changes = at::cat(residuals, 1);
    if (settings.steps == 0) continue;
    const SiteUpdate update{site, at::cat(keys, 1), at::cat(bare, 1), changes,
                            history_at(before, site.name)};
    auto facts = nlohmann::json{{"site", site.name}, {"keys", update.keys.size(1)}};
    const auto statistics = covariance(vlm, site, sites);
    if (statistics)
      facts.update({{"statistics", statistics->count()}, {"condition", statistics->condition()}});
    const auto delta =
        sequence_.adapt(settings.sequence, vlm, site, this->update(update, statistics.get(), facts),
                        update.keys, update.history);
    if (!at::isfinite(delta.up).all().item<bool>() || !at::isfinite(delta.down).all().item<bool>())
      throw Error("editing::" + name(), "the change of " + site.name + " is not finite",
                  "increase the ridge of the covariance (--set ridge=...)");
    batch.sites.push_back(facts);
    batch.deltas.push_back({site.name, delta});
    if (keeps_keys() || settings.sequence.simie > 0)
      batch.keys.push_back({site.name, at::cat(kept, 1).t().to(at::kFloat).contiguous()});
    interventions.push_back(Intervention::weight(site.name, delta));
  }
  batch.edits = std::move(edits);
  return batch;
}

Patch LocatingEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                           const EditContext& context) const {
  if (requests.empty())
    throw Error("editing::" + name(), "there are no edits", "give at least one request");
  refuse_request_edits(context);
  const auto& model = *vlm.model;
  const auto& settings = locate_settings();
  const auto sites = this->sites(model, choose(vlm, requests, context));
  for (const auto& site : sites)
    if (model.stages()[site.stage].module != model.stages()[sites.front().stage].module)
      throw Error("editing::locate",
                  fmt::format("{} and {} are in different modules", sites.front().name, site.name),
                  "choose layers of one module");
  // Errors in statistics are found before the values are optimized.
  for (const auto& site : sites) prepare(site, covariance(vlm, site, sites).get());

  const bool own_keys = contexts_are_keys(settings, optimizes_change(settings, sites.size()));
  const auto effect_of = [&](const std::vector<SiteDelta>& deltas) {
    return edit_effect(vlm, requests, settings.end_of_answer, sites.front().stage, context, deltas);
  };
  auto patch = patch_for(*this, vlm, requests);
  Batch all;
  if (solves_batches() || requests.size() == 1) {
    const auto edits = locate(vlm, requests, sites, context);
    all = distribute(vlm, edits, sites, own_keys, context);
    patch.effect = effect_of(all.deltas);
    if (may_separate_contexts(settings, own_keys, requests) && !patch.effect["holds"]) {
      auto separate = distribute(vlm, edits, sites, /*contexts_are_keys=*/true, context);
      if (auto effect = effect_of(separate.deltas);
          effect["loss_after"] < patch.effect["loss_after"]) {
        all = std::move(separate);
        patch.effect = std::move(effect);
      }
    }
  } else {
    auto next = context;
    for (const auto& request : requests) {
      auto one = distribute(vlm, locate(vlm, {request}, sites, next), sites, own_keys, next);
      for (const auto& change : on_weights(one.deltas)) next.base.push_back(change);
      for (auto& edit : one.edits) all.edits.push_back(std::move(edit));
      all.deltas.insert(all.deltas.end(), one.deltas.begin(), one.deltas.end());
      for (const auto& keys : one.keys) {
        next.history.push_back(keys);
        add_keys(all.keys, keys);
      }
      for (auto& facts : one.sites) all.sites.push_back(std::move(facts));
    }
  }

  // A patch has one delta for each site.
  for (const auto& [site, delta] : all.deltas) {
    auto known = std::find_if(patch.deltas.begin(), patch.deltas.end(),
                              [&](const SiteDelta& other) { return other.site == site; });
    if (known == patch.deltas.end())
      patch.deltas.push_back({site, delta});
    else
      known->delta = {
          {}, at::cat({known->delta.up, delta.up}, 1), at::cat({known->delta.down, delta.down}, 0)};
  }
  patch.keys = all.keys;
  if (patch.effect.is_null()) patch.effect = effect_of(patch.deltas);
  add_value_facts(all, patch);
  patch.id = patch_id(patch);
  return patch;
}

void LocatingEditor::add_value_facts(const Batch& batch, Patch& patch) {
  auto values = nlohmann::json::array();
  int64_t steps = 0;
  for (const auto& edit : batch.edits) {
    const auto taken = static_cast<int64_t>(edit.value.losses.size()) - 1;
    steps = std::max(steps, taken);
    values.push_back({{"steps", taken},
                      {"losses", edit.value.losses},
                      {"stop_reason", edit.value.stop_reason},
                      {"relative_norm", edit.value.relative_norm()},
                      {"clamped", edit.value.clamped},
                      {"contexts", edit.contexts.size()}});
    if (edit.value.change.defined()) values.back()["disturbance"] = edit.value.disturbance;
  }
  patch.effect["steps"] = steps;
  patch.effect["loss_before"] = first_loss(batch.edits);
  patch.effect["stop_reason"] =
      patch.effect["holds"].get<bool>() ? "holds" : batch.edits.front().value.stop_reason;
  patch.effect["losses"] = batch.edits.front().value.losses;
  patch.effect["values"] = std::move(values);
  patch.effect["sites"] = batch.sites;
}

}  // namespace emend
