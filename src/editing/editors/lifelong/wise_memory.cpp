#include "editing/editors/lifelong/wise_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>

#include "editing/editors/last_prompt_positions.h"
#include "editing/editors/lifelong/ties.h"
#include "editing/editors/memory/entries.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

[[noreturn]] void refuse_entry(const MemoryEntry& entry, const std::string& what) {
  throw Error("editing::wise",
              fmt::format("{}: entry '{}' {}", kPatchMemory, entry.name.substr(0, 200), what),
              "make the patch again with `emend edit --editor wise`");
}

const at::Tensor& entry_tensor(const MemoryEntry& entry, const char* name, int64_t dimensions) {
  const auto found = entry.tensors.find(name);
  if (found == entry.tensors.end() || found->second.dim() != dimensions)
    refuse_entry(entry, fmt::format("has no '{}' of {} dimensions", name, dimensions));
  return found->second;
}

}  // namespace

void WiseSettings::declare(SettingList& list) {
  list.whole("layer", layer, -1, 100000,
             "number of the block of the language module whose feed-forward output layer has the "
             "side memory; -1: at three quarters of the depth");
  list.text("sites", sites, "glob of the layer (exactly one), instead of the layer of a block");
  list.whole("steps", steps, 0, 100000, "maximum number of steps for an edit");
  list.number("lr", lr, 0, 1000,
              "learning rate (SGD); relative: root mean square of the change of a step, in units "
              "of that of the weight");
  list.alias("edit_lr", "lr");
  list.number("norm_constraint", norm_constraint, 0, 1e9,
              "maximum change of any weight; relative: in units of the root mean square of the "
              "weight; 0: unlimited");
  list.flag("relative", relative,
            "lr, norm_constraint and the margins are relative to the weight and to the output of "
            "the layer; false: absolute, as published");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "stop when the answer holds, its loss (nats per token) is below this value, and the "
              "margins are satisfied; 0: only after all steps");
  list.flag("end_of_answer", end_of_answer, "also train the end-of-answer token after the target");
  list.number("mask_ratio", mask_ratio, 1e-6, 1,
              "share of the weights that the edits of a shard change, drawn at random");
  list.number("margin_out", margin_out, 0, 1e9,
              "largest activation of unrelated questions without a penalty (alpha); relative: in "
              "units of the norm of the layer's output at the prompt of the edit");
  list.number("margin_in", margin_in, 0, 1e9,
              "smallest activation of the edit without a penalty (beta)");
  list.number("margin_gap", margin_gap, 0, 1e9,
              "smallest difference of these activations without a penalty (gamma)");
  list.choice("activation", activation, {"mean", "max", "last"},
              "activation of a question: mean or maximum over the text positions of its prompt, or "
              "that of the last position");
  list.number("act_ratio", act_ratio, 0, 1,
              "questions with at least this share of the smallest activation of an edit are "
              "answered by the side memory");
  list.whole("unrelated", unrelated, 1, 1000,
             "number of generated texts that represent unrelated questions, without a picture and "
             "with the picture of the edit");
  list.whole("prefixes", prefixes, 0, 1000,
             "number of generated prefixes before a prompt without a picture, as context templates "
             "of the edit");
  list.whole("prefix_length", prefix_length, 1, 1000, "number of tokens of a generated text");
  list.whole("altered_pictures", altered_pictures, 0, 1000,
             "number of altered copies of the picture, as context templates of the edit");
  list.whole("save_freq", save_freq, 1, 1000000, "number of edits of a shard");
  list.number("density", density, 1e-6, 1,
              "share of the largest changes of each shard that merging keeps (TIES)");
  list.alias("densities", "density");
  list.flag("retrieve", retrieve,
            "do not merge the shards: use the one with the highest activation");
  list.whole("seed", seed, 0, INT64_MAX, "random seed of the masks and the generated texts");
}

at::Tensor wise_mask(int64_t size, double ratio, int64_t seed, int64_t shard) {
  std::seed_seq source{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                       static_cast<uint32_t>(shard)};
  std::mt19937_64 random(source);
  std::vector<int64_t> drawn;
  for (int64_t i = 0; i < size; ++i)
    if (static_cast<double>(random() >> 11) * 0x1p-53 < ratio) drawn.push_back(i);
  return at::tensor(drawn, at::kLong);
}

at::Tensor prompt_positions(const Pass& pass) {
  const auto lengths = pass.prompt_lengths.defined()
                           ? pass.prompt_lengths.unsqueeze(1)
                           : at::zeros({pass.ids.size(0), 1}, pass.ids.options());
  const auto inside = (pass.positions >= 0).logical_and(pass.positions < lengths);
  return inside.logical_and((pass.ids != kImageToken).logical_or(last_prompt_positions(pass)));
}

at::Tensor routing_activation(const at::Tensor& change, const at::Tensor& positions,
                              const std::string& statistic) {
  const auto norms = change.to(at::kFloat).norm(2, -1) * positions;  // (B, T)
  if (statistic == "max") return norms.amax(1);
  if (statistic == "mean") return norms.sum(1) / positions.sum(1).clamp_min(1);
  const auto index = at::arange(1, positions.size(1) + 1, positions.options().dtype(at::kLong));
  const auto last = (positions * index).argmax(1, /*keepdim=*/true);
  return norms.gather(1, last).squeeze(1);
}

int64_t wise_shard(const MemoryEntry& entry) {
  const auto shard = json_get<int64_t>(entry.facts, "shard", kPatchMemory);
  if (shard < 0 || shard > 1000000) refuse_entry(entry, "has an invalid shard");
  return shard;
}

at::Tensor shard_change(const std::vector<MemoryEntry>& entries, int64_t shard, const Site& site,
                        const WiseSettings& settings) {
  const auto mask = wise_mask(site.out * site.in, settings.mask_ratio, settings.seed, shard);
  auto sum = at::zeros({mask.size(0)});
  for (const auto& entry : entries) {
    if (wise_shard(entry) != shard) continue;
    const auto& values = entry_tensor(entry, "values", 1);
    if (values.size(0) != mask.size(0))
      refuse_entry(entry, fmt::format("has {} values, expected {}", values.size(0), mask.size(0)));
    sum = sum + values.to(at::kCPU);
  }
  return at::zeros({site.out * site.in}).index_copy(0, mask, sum).view({site.out, site.in});
}

WiseMemory::WiseMemory(const Model& model, const Patch& patch)
    : settings_(read_settings<WiseSettings>("wise", patch.settings)),
      settings_json_(patch.settings),
      entries_(patch.memory.entries) {
  at::NoGradGuard no_grad;
  if (entries_.empty()) return;
  site_ = json_get<std::string>(entries_.front().facts, "site", kPatchMemory);
  const auto& site = model.site(site_);
  std::map<int64_t, std::vector<MemoryEntry>> shards;
  for (const auto& entry : entries_) {
    if (json_get<std::string>(entry.facts, "site", kPatchMemory) != site_)
      refuse_entry(entry, "changes another layer");
    if (entry_tensor(entry, "keys", 2).size(1) != site.in)
      refuse_entry(entry, fmt::format("has keys of another size than {}", site.in));
    shards[wise_shard(entry)].push_back(entry);
  }
  std::vector<at::Tensor> changes;
  for (const auto& [number, members] : shards)
    changes.push_back(shard_change(members, number, site, settings_).to(model.device()));
  const auto add = [&](const at::Tensor& change, const std::vector<MemoryEntry>& members) {
    SideMemory memory{change};
    for (const auto& entry : members) {
      const auto keys = entry_tensor(entry, "keys", 2).to(model.device()).unsqueeze(0);
      const auto all = at::ones({1, keys.size(1)}, keys.options().dtype(at::kBool));
      const auto activation =
          routing_activation(at::linear(keys, change), all, settings_.activation).item<double>();
      memory.activation = memory.edits == 0 ? activation : std::min(memory.activation, activation);
      ++memory.edits;
    }
    memory.threshold = settings_.act_ratio * memory.activation;
    memories_.push_back(std::move(memory));
  };
  if (!settings_.retrieve) {
    add(ties_merge(changes, settings_.density), entries_);
    return;
  }
  size_t next = 0;
  for (const auto& [number, members] : shards) add(changes[next++], members);
}

at::Tensor WiseMemory::route(const Pass& pass, const at::Tensor& input) const {
  at::NoGradGuard no_grad;
  const auto positions = prompt_positions(pass);
  const auto wide = input.to(at::kFloat);
  std::vector<at::Tensor> excess;  // activation against the threshold
  for (const auto& memory : memories_) {
    const auto found =
        routing_activation(at::linear(wide, memory.change), positions, settings_.activation);
    const auto reached = (found >= memory.threshold).logical_and(found > 0);
    excess.push_back(at::where(reached, found / memory.threshold, at::full_like(found, -1)));
  }
  const auto [best, index] = at::stack(excess).max(0);
  const auto asked = positions.any(1).logical_and(best >= 0);
  return at::where(asked, index, at::full_like(index, -1)).to(at::kCPU);
}

at::Tensor WiseMemory::answer(const Pass& pass, const at::Tensor& input,
                              const at::Tensor& output) const {
  at::Tensor routes;
  if (!pass.cache) {
    routes = route(pass, input);
  } else {
    auto& kept = pass.cache->kept[this];
    if (!kept) kept = std::make_shared<at::Tensor>(route(pass, input));
    routes = *static_cast<at::Tensor*>(kept.get());
  }
  auto answered = output;
  for (size_t m = 0; m < memories_.size(); ++m) {
    const auto rows = (routes == static_cast<int64_t>(m)).nonzero().squeeze(1).to(output.device());
    if (rows.numel() == 0) continue;
    const auto read = at::linear(input.index_select(0, rows).to(at::kFloat), memories_[m].change);
    const auto changed = output.index_select(0, rows).to(at::kFloat) + read;
    answered = answered.index_copy(0, rows, changed.to(output.scalar_type()));
  }
  return answered;
}

Interventions wise_interventions(std::shared_ptr<const WiseMemory> memory) {
  if (memory->memories().empty()) return {};
  const auto site = memory->site();
  return {Intervention::layer(site, WiseOutput{std::move(memory)})};
}

}  // namespace emend
