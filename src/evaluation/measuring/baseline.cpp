#include "evaluation/measuring/baseline.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluation/measuring/alternatives.h"
#include "evaluation/measuring/outputs.h"
#include "evaluation/measuring/probe_batches.h"
#include "io/hash.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

void add(Hasher& hash, const std::vector<int64_t>& numbers) {
  const auto size = numbers.size();
  hash.update(&size, sizeof size).update(numbers.data(), size * sizeof(int64_t));
}

// The store key of a batch's side before the edit. It contains everything that the side depends on,
// such as token IDs and pixels instead of texts and file names.
std::string outputs_key(const Vlm& vlm, const Baseline& baseline, const ProbeBatch& batch) {
  Hasher hash;
  hash.update(to_json(baseline.protocol, vlm).dump());
  add(hash, vlm.processor.stop_tokens);
  for (const auto& sequence : vlm.processor.layout.stop_sequences) add(hash, sequence);
  hash.update(vlm.processor.generation.applied().dump());
  const bool forces = !batch.forced.batch.rows.empty();
  const auto& seen = forces ? batch.forced.batch : batch.prompts.batch;
  for (size_t r = 0; r < seen.rows.size(); ++r) {
    const auto& row = seen.rows[r];
    for (const auto* numbers : {&row.ids, &row.images, &row.segments}) add(hash, *numbers);
    if (forces) add(hash, batch.answers[r]);
    hash.update(group_name(baseline.queries[batch.probes[r]].group)).update(";");
  }
  for (const auto& picture : seen.pixels) {
    const auto pixels = picture.contiguous();
    add(hash, pixels.sizes().vec());
    hash.update(pixels.data_ptr(), pixels.nbytes());
  }
  return store_key(vlm, "side before an edit of batch " + hash.hex());
}

StoreEntry entry_of(const ModelOutputs& side) {
  StoreEntry entry;
  entry.facts["answers"] = side.answers;
  for (size_t r = 0; r < side.ranks.size(); ++r)
    if (side.ranks[r].defined()) entry.tensors[fmt::format("ranks.{}", r)] = side.ranks[r];
  return entry;
}

ModelOutputs outputs_from(const StoreEntry& entry, size_t rows) {
  ModelOutputs side;
  side.answers = entry.facts.at("answers").get<std::vector<std::vector<int64_t>>>();
  side.ranks.resize(rows);
  for (size_t r = 0; r < rows; ++r)
    if (auto found = entry.tensors.find(fmt::format("ranks.{}", r)); found != entry.tensors.end())
      side.ranks[r] = found->second;
  return side;
}

ModelOutputs baseline_outputs(const Vlm& vlm, const Baseline& baseline, const ProbeBatch& batch,
                              const Interventions& base, ActivationStore* shared) {
  if (!shared || !base.empty()) return evaluate_batch(vlm, baseline, batch, base);
  const auto key = outputs_key(vlm, baseline, batch);
  if (const auto entry = shared->find(key)) return outputs_from(*entry, batch.probes.size());
  auto side = evaluate_batch(vlm, baseline, batch, base);
  shared->put(key, entry_of(side));
  return side;
}

// Passes are kept before the first stage that the base or a later edit changes.
std::vector<size_t> boundaries_of(const Model& model, const MeasureOptions& options,
                                  const Interventions& base) {
  auto boundaries = options.boundaries;
  if (boundaries.empty())
    boundaries = {model.first_stage(Module::connector), model.first_stage(Module::language)};
  const auto own = first_changed_stage(model, base);
  for (auto& boundary : boundaries) boundary = std::min(boundary, own);
  return boundaries;
}

}  // namespace

Baseline measure_baseline(const Vlm& vlm, const Record& record, const Protocol& protocol,
                          const Interventions& base, const MeasureOptions& options) {
  at::NoGradGuard no_grad;
  Baseline baseline;
  baseline.protocol = protocol;
  baseline.queries = probe_queries(record, protocol, options.own_question);
  baseline.answers.resize(baseline.queries.size());
  if (options.reuse) {
    if (!options.store)
      baseline.own_store = std::make_shared<ActivationStore>(ActivationStore::Options());
    baseline.store = options.store ? options.store : baseline.own_store.get();
  }
  const auto boundaries = boundaries_of(*vlm.model, options, base);
  baseline.batches = make_probe_batches(vlm, baseline.queries, protocol, options.reuse);
  for (auto& batch : baseline.batches) {
    if (options.reuse) cache_passes(vlm, batch, boundaries, baseline.store);
    const auto scoped = in_scope(base, batch.probes, baseline.queries.size());
    auto side =
        baseline_outputs(vlm, baseline, batch, scoped, options.reuse ? options.store : nullptr);
    for (size_t r = 0; r < batch.probes.size(); ++r)
      baseline.answers[batch.probes[r]] = answer_text(vlm.processor, side.answers[r]);
    batch.ranks = std::move(side.ranks);
  }
  baseline.alternatives = make_alternative_batches(vlm, baseline.queries, protocol, options.reuse);
  if (options.reuse)
    for (auto& batch : baseline.alternatives) cache_passes(vlm, batch, boundaries, baseline.store);
  return baseline;
}

}  // namespace emend
