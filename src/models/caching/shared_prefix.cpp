#include "models/caching/shared_prefix.h"

#include <algorithm>
#include <map>

#include "models/caching/prefix.h"

namespace emend {
namespace {

// Rows with the same pictures, and the length of their common prefix.
struct Group {
  std::vector<size_t> rows;
  size_t length;
};

std::vector<Group> groups_of(const Batch& batch, const std::vector<int64_t>& ends) {
  std::vector<Group> groups;
  std::map<std::vector<int64_t>, size_t> known;
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const auto& row = batch.rows[r];
    const auto size = static_cast<int64_t>(row.ids.size());
    const auto most = static_cast<size_t>(size - std::min(size, ends[r]));
    const auto [entry, added] = known.try_emplace(row.images, groups.size());
    if (added) groups.push_back({{}, most});
    auto& group = groups[entry->second];
    group.rows.push_back(r);
    const auto& first = batch.rows[group.rows[0]].ids;
    const auto length = std::min(group.length, most);
    const auto differ = std::mismatch(first.begin(), first.begin() + length, row.ids.begin());
    group.length = static_cast<size_t>(differ.first - first.begin());
  }
  return groups;
}

bool can_share(const Batch& batch, const std::vector<Group>& groups,
               const Interventions& interventions) {
  for (const auto& i : interventions)
    if (i.point != Point::request && (i.point != Point::weight || !i.rows.empty())) return false;
  for (const auto& group : groups) {
    if (group.length == 0) return false;
    for (auto r : group.rows) {
      const auto& row = batch.rows[r];
      const auto begin = row.ids.begin() + static_cast<int64_t>(group.length);
      if (!row.segments.empty() || std::find(begin, row.ids.end(), kImageToken) != row.ids.end())
        return false;
    }
  }
  return true;
}

// Runs the prefixes of the groups through the language blocks: (G, P), with their cache.
Pass run_beginnings(const Vlm& vlm, const Batch& batch, const std::vector<Group>& groups,
                    const Interventions& interventions, ActivationStore* store) {
  const auto& model = *vlm.model;
  Batch beginnings;
  beginnings.pixels = batch.pixels;
  for (const auto& group : groups) {
    Row row;
    const auto& ids = batch.rows[group.rows[0]].ids;
    row.ids.assign(ids.begin(), ids.begin() + static_cast<int64_t>(group.length));
    row.images = batch.rows[group.rows[0]].images;
    beginnings.rows.push_back(std::move(row));
  }
  auto pass =
      forward_until(vlm, beginnings, model.first_stage(Module::language), interventions, store);
  pass.cache = std::make_shared<KvCache>();
  model.run(pass, model.stages().size() - 2, interventions);
  return pass;
}

}  // namespace

std::optional<SharedPrefix> share_prefixes(const Vlm& vlm, const Batch& batch,
                                           const std::vector<int64_t>& ends,
                                           const Interventions& interventions,
                                           ActivationStore* store, PadSide pad) {
  at::NoGradGuard no_grad;
  const auto& model = *vlm.model;
  const auto groups = groups_of(batch, ends);
  if (!can_share(batch, groups, interventions)) return std::nullopt;
  SharedPrefix shared;
  Batch rest;
  rest.rows.resize(batch.rows.size());
  std::vector<int64_t> group_of(batch.rows.size()), begins(batch.rows.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    shared.computed += static_cast<int64_t>(groups[g].length);
    for (auto r : groups[g].rows) {
      const auto& row = batch.rows[r];
      auto& end = rest.rows[r];
      group_of[r] = static_cast<int64_t>(g);
      begins[r] = static_cast<int64_t>(groups[g].length);
      end.ids.assign(row.ids.begin() + begins[r], row.ids.end());
      if (row.prompt_length >= 0)
        end.prompt_length = std::max<int64_t>(0, row.prompt_length - begins[r]);
      shared.computed += static_cast<int64_t>(end.ids.size());
      shared.plain += static_cast<int64_t>(row.ids.size());
      if (static_cast<int64_t>(row.ids.size()) > model.max_positions())
        return std::nullopt;  // the call without prefix sharing reports the error
    }
  }
  if (4 * (shared.plain - shared.computed) < shared.plain) return std::nullopt;

  const auto beginnings = run_beginnings(vlm, batch, groups, interventions, store);
  const auto device = model.device();
  const auto group = at::tensor(group_of, at::kLong).to(device);
  auto& pass = shared.pass;
  pass = model.collate(rest, pad);
  pass.continue_after(at::tensor(begins, at::kLong).to(device),
                      beginnings.rotary_positions.defined()
                          ? beginnings.rotary_positions.index_select(1, group)
                          : at::Tensor());
  pass.mask = at::cat({beginnings.mask.index_select(0, group), pass.mask}, 1);
  pass.cache = std::make_shared<KvCache>();
  for (const auto& keys : beginnings.cache->keys)
    pass.cache->keys.push_back(keys.index_select(0, group));
  for (const auto& values : beginnings.cache->values)
    pass.cache->values.push_back(values.index_select(0, group));
  pass.next = model.first_stage(Module::language);
  return shared;
}

}  // namespace emend
