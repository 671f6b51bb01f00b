#include "models/core/model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.h"
#include "io/strings/glob.h"

namespace emend {
namespace {

// Compares the name of a site in any release, with or without `.weight`.
std::string site_name(std::string name, NameMap names) {
  const std::string suffix = ".weight";
  if (name.size() > suffix.size() &&
      name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0)
    name.resize(name.size() - suffix.size());
  return names(name);
}

template <class T>
std::vector<std::string> names(const std::vector<T>& things) {
  std::vector<std::string> result;
  for (const auto& thing : things) result.push_back(thing.name);
  return result;
}

template <class T>
[[noreturn]] void nothing_named(const char* what, const std::string& name,
                                const std::vector<T>& things) {
  throw Error("models::sites", fmt::format("no {} matches `{}`", what, name.substr(0, 200)),
              fmt::format("similar names: {}; `emend inspect MODEL` lists all {}s",
                          fmt::join(nearest(name, names(things)), ", "), what));
}

}  // namespace

Model::Model(Weights& weights, NameMap names)
    : dtype_(weights.dtype()), device_(weights.device()), names_(names) {
  weights.name_by(names);
}

void Model::add_stage(const std::string& name, Module module) { stages_.push_back({name, module}); }

void Model::add_stages(const std::string& name, Module module, int64_t count) {
  for (int64_t i = 0; i < count; ++i) add_stage(fmt::format("{}.{}", name, i), module);
}

void Model::add_language_stages(int64_t blocks) {
  add_stage("language.embed", Module::language);
  add_stages("language.block", Module::language, blocks);
  add_stage("language.head", Module::language);
}

std::vector<Site> Model::find_sites(const std::string& pattern) const {
  const Glob glob(site_name(pattern, names_));
  std::vector<Site> found;
  for (const auto& site : sites_)
    if (glob.matches(site.name)) found.push_back(site);
  if (found.empty()) nothing_named("site", pattern, sites_);
  for (const auto& listed : patterns_of_listed_names(pattern)) {
    const Glob one(site_name(listed, names_));
    if (std::none_of(found.begin(), found.end(),
                     [&](const Site& site) { return one.matches(site.name); }))
      nothing_named("site", listed, sites_);
  }
  return found;
}

const Site& Model::site(const std::string& name) const {
  const auto canonical = site_name(name, names_);
  for (const auto& site : sites_)
    if (site.name == canonical) return site;
  nothing_named("site", name, sites_);
}

size_t Model::stage(const std::string& name) const {
  for (size_t i = 0; i < stages_.size(); ++i)
    if (stages_[i].name == name) return i;
  nothing_named("stage", name, stages_);
}

size_t Model::first_stage(Module module) const {
  size_t first = 0;
  while (first < stages_.size() && stages_[first].module != module) ++first;
  return first;
}

at::Tensor Model::weight(const Site& site) const {
  return site_weights_.at(&this->site(site.name) - sites_.data());
}

// The interventions, sorted by stage.
struct Model::Plan {
  struct Boundary {
    size_t stage;
    const Intervention* what;
    at::Tensor rows;

    void apply(Pass& pass) const {
      auto transform = what->transform;
      if (what->mix) transform = [&](const at::Tensor& output) { return what->mix(pass, output); };
      pass.hidden = apply_transform(pass.hidden, transform, rows);
    }
  };
  Attachments attachments;
  std::vector<Boundary> boundaries;  // includes those at the logits
};

namespace {

// (R) bool: the scope for the rows of a stage's module; undefined if all rows are in scope. An
// image is in scope if the rows that use it are.
at::Tensor scope_of(const std::vector<bool>& rows, bool of_images, const Pass& pass) {
  if (rows.empty()) return {};
  if (static_cast<int64_t>(rows.size()) != pass.ids.size(0))
    throw Error("models::run",
                fmt::format("the scope of an intervention has {} values, but the batch has {} rows",
                            rows.size(), pass.ids.size(0)),
                "set one value for each row");
  const int64_t count = of_images ? pass.pixels.size() : pass.ids.size(0);
  auto scope = at::zeros({count}, at::kBool);
  auto* in = scope.data_ptr<bool>();
  if (!of_images) {
    for (size_t i = 0; i < rows.size(); ++i) in[i] = rows[i];
    return scope.to(pass.ids.device());
  }
  auto users = pass.image_rows.to(at::kCPU).contiguous();
  const auto* pair = users.data_ptr<int64_t>();
  std::vector<bool> used(count, false);
  for (int64_t i = 0; i < users.size(0); ++i, pair += 2) {
    if (used[pair[0]] && in[pair[0]] != rows[pair[1]])
      throw Error("models::run",
                  fmt::format("image {} is used by rows in and out of the scope of an intervention",
                              pair[0]),
                  "give each of those rows its own image in the batch's pixels");
    used[pair[0]] = true;
    in[pair[0]] = rows[pair[1]];
  }
  return scope.to(pass.ids.device());
}

void check_delta(const WeightDelta& delta, const Site& site) {
  const bool fits =
      delta.low_rank()
          ? delta.up.dim() == 2 && delta.down.defined() && delta.down.dim() == 2 &&
                delta.up.size(0) == site.out && delta.down.size(1) == site.in &&
                delta.up.size(1) == delta.down.size(0) && delta.up.scalar_type() == at::kFloat &&
                delta.down.scalar_type() == at::kFloat
          : delta.dense.defined() && delta.dense.dim() == 2 && delta.dense.size(0) == site.out &&
                delta.dense.size(1) == site.in && delta.dense.scalar_type() == at::kFloat;
  if (!fits)
    throw Error("models::run",
                fmt::format("the delta does not match {}, which has shape ({}, {})", site.name,
                            site.out, site.in),
                "use float32 (out, in), or (out, r) and (r, in)");
}

}  // namespace

Model::Plan Model::plan(const Pass& pass, size_t last, const Interventions& interventions) const {
  Plan plan;
  const size_t head = stages_.size() - 1;
  for (const auto& i : interventions) {
    if (i.point == Point::request) continue;  // applied before the pass started
    const bool at_site =
        i.point == Point::input || i.point == Point::weight || i.point == Point::output;
    const Site* site = at_site ? &this->site(i.where) : nullptr;
    if (i.point == Point::weight) check_delta(i.delta, *site);
    const bool mixes = i.point == Point::boundary || i.point == Point::logits;
    const bool acts = i.transform || (mixes && i.mix) || (i.point == Point::output && i.layer_mix);
    if (i.point != Point::weight && !acts)
      throw Error("models::run", fmt::format("the intervention at `{}` has no transform", i.where),
                  "set `transform`");
    const size_t stage = site                         ? site->stage
                         : i.point == Point::boundary ? this->stage(i.where)
                                                      : head;
    if (stage < pass.next || stage > last) continue;

    auto rows = scope_of(i.rows, stages_[stage].module != Module::language, pass);
    if (rows.defined() && !rows.any().item<bool>()) continue;
    // If the head runs at selected positions, each of them is a row.
    if (rows.defined() && pass.logit_positions.defined() && stage == head)
      rows = rows.index_select(0, at::div(pass.logit_positions, pass.ids.size(1), "floor"));
    if (!site) {
      plan.boundaries.push_back({stage, &i, rows});
      continue;
    }
    auto& by_site = plan.attachments.by_site;
    by_site.resize(sites_.size());
    const auto kind = i.point == Point::input    ? Attachment::Kind::input
                      : i.point == Point::weight ? Attachment::Kind::weight
                                                 : Attachment::Kind::output;
    LayerTransform layer;
    if (i.layer_mix)
      layer = [&pass, &i](const at::Tensor& input, const at::Tensor& output) {
        return i.layer_mix(pass, input, output);
      };
    by_site[site - sites_.data()].push_back({kind, i.delta, i.transform, rows, layer});
  }
  return plan;
}

void Model::run(Pass& pass, const Interventions& interventions) const {
  run(pass, stages_.size() - 1, interventions);
}

void Model::run(Pass& pass, size_t last, const Interventions& interventions) const {
  if (last >= stages_.size())
    throw Error("models::run",
                fmt::format("there is no stage {}, the model has {} stages", last, stages_.size()),
                "use the index of one of the model's stages");
  if (!pass.pixels.defined())
    while (pass.next <= last && stages_[pass.next].module != Module::language) ++pass.next;
  if (pass.next > last) return;

  const auto plan = this->plan(pass, last, interventions);
  const bool same_size = !pass.pixels.defined() || pass.pixels.same_size();
  const auto alone = [&](size_t stage) {
    const auto module = stages_[stage].module;
    return module == Module::vision_tower || (!same_size && module == Module::connector);
  };
  if (!pass.batched_pictures && alone(pass.next)) {
    size_t seen = pass.next;
    while (seen < last && alone(seen + 1)) ++seen;
    run_pictures(pass, seen, plan);
  }
  run_stages(pass, last, plan);
}

void Model::run_stages(Pass& pass, size_t last, const Plan& plan) const {
  for (; pass.next <= last; ++pass.next) {
    run_stage(pass.next, pass, plan.attachments);
    if (pass.next + 1 == stages_.size()) pass.unmixed_logits = pass.hidden;
    for (const auto& boundary : plan.boundaries)
      if (boundary.stage == pass.next) boundary.apply(pass);
    pass.unmixed_logits.reset();
    // Stored states have this layout, and the bits of kernels depend on it.
    pass.hidden = pass.hidden.contiguous();
  }
}

// Runs one picture through all stages before the next one, so that only the final outputs are kept.
void Model::run_pictures(Pass& pass, size_t last, const Plan& plan) const {
  std::vector<at::Tensor> states;
  for (int64_t i = 0; i < pass.pixels.size(); ++i) {
    Pass picture = pass;
    picture.pixels = pass.pixels.narrow(i, 1);
    picture.picture_lengths.clear();
    if (pass.hidden.defined()) {
      auto own = pass.hidden.narrow(0, i, 1);
      if (!pass.picture_lengths.empty())
        own = own.narrow(1, 0, pass.picture_lengths[static_cast<size_t>(i)]);
      // A copy with the layout of a single picture, because kernels can depend on alignment.
      picture.hidden = own.clone(at::MemoryFormat::Contiguous);
    }
    run_stages(picture, last, for_picture(plan, i));
    states.push_back(picture.hidden);
  }
  pass.set_picture_states(states);
  pass.next = last + 1;
}

// The interventions for one picture: their scope is all or nothing.
Model::Plan Model::for_picture(const Plan& plan, int64_t picture) const {
  const auto acts = [&](size_t stage, const at::Tensor& rows) {
    return stages_[stage].module != Module::language &&
           (!rows.defined() || rows[picture].item<bool>());
  };
  Plan own;
  for (const auto& boundary : plan.boundaries)
    if (acts(boundary.stage, boundary.rows))
      own.boundaries.push_back({boundary.stage, boundary.what, {}});
  const auto& by_site = plan.attachments.by_site;
  own.attachments.by_site.resize(by_site.size());
  for (size_t s = 0; s < by_site.size(); ++s)
    for (const auto& a : by_site[s])
      if (acts(sites_[s].stage, a.rows))
        own.attachments.by_site[s].push_back({a.kind, a.delta, a.transform, {}, a.layer});
  return own;
}

}  // namespace emend
