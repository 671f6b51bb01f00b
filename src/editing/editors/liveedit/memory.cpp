#include "editing/editors/liveedit/memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/memory/entries.h"
#include "editing/training/named_tensors.h"
#include "io/error.h"

namespace emend {
namespace {

at::Tensor stacked(const std::vector<MemoryEntry>& entries, const char* name,
                   at::IntArrayRef shape, at::Device device) {
  std::vector<at::Tensor> all;
  for (const auto& entry : entries) {
    const auto found = entry.tensors.find(name);
    if (found == entry.tensors.end() || found->second.sizes() != shape)
      throw Error("editing::liveedit",
                  fmt::format("{}: entry '{}' has no tensor '{}' of the right shape", kPatchMemory,
                              entry.name.substr(0, 200), name),
                  "make the patch again with `emend edit --editor liveedit`");
    all.push_back(found->second.to(device));
  }
  return at::stack(all);
}

}  // namespace

LiveEditMemory::LiveEditMemory(const Model& model, const Patch& patch)
    : settings_(read_settings<LiveEditSettings>("liveedit", patch.settings)),
      reading_(patch.memory.reading),
      network_(patch.memory.network),
      config_(read_settings<LiveEditConfig>("liveedit", reading_)),
      router_(liveedit_sizes(model, config_), 0, model.device()),
      entries_(patch.memory.entries) {
  const auto sizes = liveedit_sizes(model, config_);
  stage_ = model.stages()[expert_stage(model, config_)].name;
  copy_tensors(network_, router_.parameters(), "liveedit", kPatchMemory);
  for (auto& [name, tensor] : router_.parameters()) at::Tensor(tensor).requires_grad_(false);
  std::sort(entries_.begin(), entries_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const std::vector<int64_t> features = {sizes.routing_queries, sizes.module_dim};
  const std::vector<int64_t> factor = {sizes.rank, sizes.width};
  pictures_ = stacked(entries_, "picture", features, model.device());
  texts_ = stacked(entries_, "text", features, model.device());
  experts_ = {stacked(entries_, "down", factor, model.device()),
              stacked(entries_, "up", factor, model.device())};
}

bool LiveEditMemory::reads_like(const Patch& patch) const {
  const auto& other = patch.memory.network;
  return settings_json(settings_) == patch.settings && reading_ == patch.memory.reading &&
         std::equal(network_.begin(), network_.end(), other.begin(), other.end(),
                    [](const auto& a, const auto& b) {
                      return a.first == b.first && at::equal(a.second, b.second);
                    });
}

LiveEditMemory::Route LiveEditMemory::route(const QuestionStates& question) const {
  if (!question.picture.any().item<bool>() || !question.question.any().item<bool>())
    return {at::empty({0}, at::kLong), at::empty({0})};
  // One sum for each entry, so that its rounding does not depend on the number of entries.
  const auto seen = router_.features().picture(question);
  auto kept = at::arange(pictures_.size(0), at::device(seen.device()).dtype(at::kLong));
  if (settings_.hard_routing) {
    const auto none = own_similarity(seen, router_.sentinel(question));
    kept = (own_similarity(pictures_, seen) > none).nonzero().squeeze(1);
  }
  const auto similarity =
      own_similarity(texts_.index_select(0, kept), router_.features().text(question)).unsqueeze(0);
  const auto all = at::ones_like(similarity, at::kBool);
  return {kept, expert_weights(similarity, all, settings_.soft_routing).squeeze(0)};
}

std::vector<LiveEditMemory::Route> LiveEditMemory::route(const Pass& pass,
                                                         const at::Tensor& hidden) const {
  at::NoGradGuard no_grad;
  std::vector<Route> routes(static_cast<size_t>(pass.ids.size(0)));
  if (!pass.prompt_lengths.defined()) return routes;
  const auto questions = QuestionStates::of(pass, hidden);
  for (size_t r = 0; r < routes.size(); ++r) {
    const auto row = static_cast<int64_t>(r);
    // Without padding, whose width depends on the other rows.
    const auto real = (pass.positions[row] >= 0).nonzero().squeeze(1);
    const auto part = [&](const at::Tensor& x) {
      return x[row].index_select(0, real).unsqueeze(0);
    };
    routes[r] = route(QuestionStates{part(questions.hidden), part(questions.picture),
                                     part(questions.question), part(questions.answer)});
  }
  return routes;
}

at::Tensor LiveEditMemory::apply(const Pass& pass, const at::Tensor& hidden) const {
  std::shared_ptr<std::vector<Route>> routes;
  if (!pass.cache) {
    routes = std::make_shared<std::vector<Route>>(route(pass, hidden));
  } else {
    auto& kept = pass.cache->kept[this];
    if (!kept) kept = std::make_shared<std::vector<Route>>(route(pass, hidden));
    routes = std::static_pointer_cast<std::vector<Route>>(kept);
  }
  at::Tensor result;
  for (size_t r = 0; r < routes->size(); ++r) {
    const auto& [kept, weights] = (*routes)[r];
    if (!kept.defined() || kept.numel() == 0) continue;
    if (!result.defined()) result = hidden.clone();
    const auto states = hidden.narrow(0, static_cast<int64_t>(r), 1).to(at::kFloat);
    const Experts used = {experts_.down.index_select(0, kept), experts_.up.index_select(0, kept)};
    const auto added = expert_output(router_.normalized(states), used, weights.unsqueeze(0));
    result.select(0, static_cast<int64_t>(r)).copy_((states + added).squeeze(0));
  }
  return result.defined() ? result : hidden;
}

Interventions liveedit_interventions(std::shared_ptr<const LiveEditMemory> memory) {
  const auto stage = memory->stage();
  return {Intervention::boundary_mix(stage, LiveEditOutput{std::move(memory)})};
}

}  // namespace emend
