#include "models/caching/row_prefixes.h"

#include "models/caching/prefix.h"

namespace emend {

Pass run_row_prefixes(const Vlm& vlm, const Batch& batch, const std::vector<int64_t>& begins,
                      const Interventions& interventions, ActivationStore* store) {
  at::NoGradGuard no_grad;
  const auto& model = *vlm.model;
  Batch prefixes, rest;
  prefixes.pixels = batch.pixels;
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const auto& row = batch.rows[r];
    const auto split = row.ids.begin() + begins[r];
    // Each row needs a position in the cache. That of a row without a prefix is masked below.
    const auto end = begins[r] > 0 ? split : split + 1;
    prefixes.rows.push_back({{row.ids.begin(), end}, row.images, {}, -1});
    rest.rows.push_back({{split, row.ids.end()}, {}, {}, -1});
    if (row.prompt_length >= 0)
      rest.rows.back().prompt_length = std::max<int64_t>(0, row.prompt_length - begins[r]);
  }
  const auto language = model.first_stage(Module::language);
  auto prefix = forward_until(vlm, prefixes, language, interventions, store, PadSide::left);
  prefix.cache = std::make_shared<KvCache>();
  model.run(prefix, model.stages().size() - 2, interventions);

  auto pass = model.collate(rest, PadSide::right);
  const auto offset = at::tensor(begins, at::kLong).to(model.device());
  pass.continue_after(offset, prefix.rotary_positions);
  pass.mask = at::cat({prefix.mask.logical_and(offset.unsqueeze(1) > 0), pass.mask}, 1);
  pass.cache = prefix.cache;
  pass.next = language;
  return pass;
}

}  // namespace emend
