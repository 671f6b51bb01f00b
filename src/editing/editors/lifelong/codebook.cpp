#include "editing/editors/lifelong/codebook.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "editing/editors/last_prompt_positions.h"
#include "editing/editors/memory/entries.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

// A key that is nearer to an earlier one than this part of its norm asks the same question again.
constexpr double kSameQuestion = 1e-4;

at::Tensor entry_tensor(const MemoryEntry& entry, const char* name, int64_t dim, int64_t width) {
  const auto found = entry.tensors.find(name);
  if (found == entry.tensors.end() || found->second.dim() != dim ||
      found->second.size(-1) != width || found->second.size(0) == 0)
    throw Error("editing::grace",
                fmt::format("{} is missing the {} of entry '{}', or its shape is wrong",
                            kPatchMemory, name, entry.name.substr(0, 200)),
                "make the patch again with `emend edit`");
  return found->second;
}

// (n) distances of a query (d) to keys (n, d).
at::Tensor distances(const at::Tensor& query, const at::Tensor& keys) {
  return (keys - query).square().sum(-1).sqrt();
}

// The distance to the nearest of the keys, and its index; of equal ones, the latest.
std::pair<double, int64_t> nearest_key(const at::Tensor& query, const at::Tensor& keys) {
  const auto all = distances(query, keys).to(at::kCPU).contiguous();
  const auto* first = all.data_ptr<float>();
  int64_t nearest = 0;
  for (int64_t i = 1; i < all.size(0); ++i)
    if (first[i] <= first[nearest]) nearest = i;
  return {first[nearest], nearest};
}

}  // namespace

void CodebookSettings::declare(SettingList& list) {
  list.number("eps", eps, 0, 1e12,
              "radius of a new key (Euclidean distance; published: 1); 0: relative_eps");
  list.number("relative_eps", relative_eps, 1e-9, 1e6,
              "radius of a new key, relative to its norm, if eps is 0");
  list.flag("expand", expand, "whether an edit near a key with the same answer grows its radius");
  list.choice("replacement", replacement, {"prompt", "last", "all"},
              "positions that get the value: the whole prompt, its last token, or the prompt and "
              "the answer. In connector and projector, all positions of the picture get values",
              {{"replace_prompt", "prompt"}, {"replace_last", "last"}, {"replace_all", "all"}});
}

at::Tensor replaced_positions(const Pass& pass, const std::string& replacement) {
  const auto& positions = pass.positions;
  if (replacement == "all") return positions >= 0;
  // A step of generation has no tokens of the prompt.
  if (!pass.prompt_lengths.defined()) return at::zeros_like(positions, at::kBool);
  if (replacement == "last") return last_prompt_positions(pass);
  return (positions >= 0).logical_and(positions < pass.prompt_lengths.unsqueeze(1));
}

at::Tensor layer_keys(const Pass& pass, const at::Tensor& input, bool of_pictures) {
  const auto x = input.to(at::kFloat);
  if (of_pictures) return x.flatten(1, -2).mean(1);
  const auto last = last_prompt_positions(pass);
  const auto index = last.to(at::kLong).argmax(1);  // the first one
  const auto keys = x.gather(1, index.view({-1, 1, 1}).expand({-1, 1, x.size(2)})).squeeze(1);
  return keys.masked_fill(last.any(1).logical_not().unsqueeze(1),
                          std::numeric_limits<float>::quiet_NaN());
}

Codebook::Codebook(const Model& model, const Patch& patch)
    : settings_([&] {
        auto own = nlohmann::json::object();
        for (const auto& setting : describe_settings<CodebookSettings>())
          if (patch.settings.contains(setting.name))
            own[setting.name] = patch.settings[setting.name];
        return read_settings<CodebookSettings>("grace", own);
      }()),
      site_(json_get<std::string>(patch.memory.reading, "site", kPatchMemory)) {
  const auto& site = model.site(site_);
  of_pictures_ = model.stages()[site.stage].module != Module::language;
  std::vector<at::Tensor> keys;
  for (const auto& entry : patch.memory.entries) {
    const auto own = entry_tensor(entry, "key", 2, site.in).to(model.device());
    const auto values = entry_tensor(entry, "value", 3, site.out).to(model.device());
    if (values.size(0) != own.size(0))
      throw Error(
          "editing::grace",
          fmt::format("{} has {} keys, but {} values", kPatchMemory, own.size(0), values.size(0)),
          "make the patch again with `emend edit`");
    const auto label = json_get<std::string>(entry.facts, "target", kPatchMemory);
    keys.push_back(own);
    for (int64_t i = 0; i < own.size(0); ++i) {
      labels_.push_back(label);
      values_.push_back(values[i]);
    }
  }
  keys_ = at::cat(keys);
  for (size_t i = 0; i < labels_.size(); ++i) add_radius(i);
}

void Codebook::add_radius(size_t index) {
  const auto earlier = static_cast<int64_t>(index);
  const auto key = keys_[earlier];
  const double norm = key.norm().item<double>();
  double radius = settings_.eps > 0 ? settings_.eps : settings_.relative_eps * norm;
  if (index > 0) {
    const auto [distance, nearest] = nearest_key(key, keys_.narrow(0, 0, earlier));
    const auto near = static_cast<size_t>(nearest);
    if (distance <= kSameQuestion * norm) {
      radii_[near] = -1;  // the later edit of a question replaces the earlier one
    } else if (distance <= radius + radii_[near]) {
      if (labels_[index] != labels_[near]) {
        radii_[near] = std::min(radii_[near], distance / 2 * (1 - 1e-5));
        radius = std::min(radius, distance / 2);
      } else if (settings_.expand) {
        radii_[near] = std::max(radii_[near], distance);
      }
    }
  }
  radii_.push_back(radius);
}

std::vector<int64_t> Codebook::match(const at::Tensor& queries) const {
  std::vector<int64_t> matched;
  for (int64_t r = 0; r < queries.size(0); ++r) {
    const auto [distance, index] = nearest_key(queries[r], keys_);
    matched.push_back(distance <= radii_[static_cast<size_t>(index)] ? index : -1);
  }
  return matched;
}

std::vector<int64_t> Codebook::match_rows(const Pass& pass, const at::Tensor& input) const {
  at::NoGradGuard no_grad;
  if (!pass.cache || of_pictures_) return match(layer_keys(pass, input, of_pictures_));
  auto& kept = pass.cache->kept[this];
  if (!kept)
    kept = std::make_shared<std::vector<int64_t>>(match(layer_keys(pass, input, of_pictures_)));
  return *static_cast<std::vector<int64_t>*>(kept.get());
}

at::Tensor Codebook::apply(const Pass& pass, const at::Tensor& input,
                           const at::Tensor& output) const {
  const auto matched = match_rows(pass, input);
  at::Tensor result, replaced;
  for (size_t r = 0; r < matched.size(); ++r) {
    if (matched[r] < 0) continue;
    if (!result.defined()) {
      result = output.clone();
      if (!of_pictures_) replaced = replaced_positions(pass, settings_.replacement).unsqueeze(-1);
    }
    const auto row = static_cast<int64_t>(r);
    const auto& stored = values_[static_cast<size_t>(matched[r])];
    if (stored.size(0) != (of_pictures_ ? output.size(1) : 1))
      throw Error(
          "editing::grace",
          fmt::format("{} has a value for {} positions of {}", kPatchMemory, stored.size(0), site_),
          "make the patch again with `emend edit`");
    const auto value = stored.to(output.scalar_type()).expand_as(output[row]);
    result.select(0, row).copy_(of_pictures_ ? value
                                             : at::where(replaced[row], value, output[row]));
  }
  return result.defined() ? result : output;
}

}  // namespace emend
