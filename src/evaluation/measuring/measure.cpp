#include "evaluation/measuring/measure.h"

#include <fmt/format.h>

#include <algorithm>

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
std::string side_key(const Vlm& vlm, const Before& before, const AskedBatch& batch) {
  Hasher hash;
  hash.update(to_json(before.protocol, vlm).dump());
  add(hash, vlm.processor.stop_tokens);
  for (const auto& sequence : vlm.processor.layout.stop_sequences) add(hash, sequence);
  hash.update(vlm.processor.generation.applied().dump());
  const bool forces = !batch.forced.batch.rows.empty();
  const auto& seen = forces ? batch.forced.batch : batch.prompts.batch;
  for (size_t r = 0; r < seen.rows.size(); ++r) {
    const auto& row = seen.rows[r];
    for (const auto* numbers : {&row.ids, &row.images, &row.segments}) add(hash, *numbers);
    if (forces) add(hash, batch.answers[r]);
    hash.update(group_name(before.asked[batch.asked[r]].group)).update(";");
  }
  if (seen.pixels.defined()) {
    const auto pixels = seen.pixels.contiguous();
    add(hash, pixels.sizes().vec());
    hash.update(pixels.data_ptr(), pixels.nbytes());
  }
  return store_key(vlm, "side before an edit of batch " + hash.hex());
}

StoreEntry entry_of(const Side& side) {
  StoreEntry entry;
  entry.facts["answers"] = side.answers;
  for (size_t r = 0; r < side.ranks.size(); ++r)
    if (side.ranks[r].defined()) entry.tensors[fmt::format("ranks.{}", r)] = side.ranks[r];
  return entry;
}

Side side_from(const StoreEntry& entry, size_t rows) {
  Side side;
  side.answers = entry.facts.at("answers").get<std::vector<std::vector<int64_t>>>();
  side.ranks.resize(rows);
  for (size_t r = 0; r < rows; ++r)
    if (auto found = entry.tensors.find(fmt::format("ranks.{}", r)); found != entry.tensors.end())
      side.ranks[r] = found->second;
  return side;
}

Side side_before(const Vlm& vlm, const Before& before, const AskedBatch& batch,
                 const Interventions& base, ActivationStore* shared) {
  if (!shared || !base.empty()) return side_of(vlm, before, batch, base);
  const auto key = side_key(vlm, before, batch);
  if (const auto entry = shared->find(key)) return side_from(*entry, batch.asked.size());
  auto side = side_of(vlm, before, batch, base);
  shared->put(key, entry_of(side));
  return side;
}

// Passes are kept before the first stage that the base or a later edit changes.
std::vector<size_t> boundaries_of(const Model& model, const MeasureOptions& options,
                                  const Interventions& base) {
  auto boundaries = options.boundaries;
  if (boundaries.empty())
    boundaries = {model.first_stage(Module::bridge), model.first_stage(Module::language)};
  const auto own = first_changed_stage(model, base);
  for (auto& boundary : boundaries) boundary = std::min(boundary, own);
  return boundaries;
}

void judge(const Protocol& protocol, const at::Tensor& ranks_before, const Side& side, size_t row,
           ProbeResult& result) {
  const bool unchanged = is_locality(result.asked.group);
  const auto& wanted = unchanged ? result.before : result.asked.expected;
  result.generated = protocol.answers_go_on && !unchanged ? begins_with_answer(result.after, wanted)
                                                          : same_answer(result.after, wanted);
  result.vqa = vqa_same_answer(result.after, wanted);
  if (protocol.judged == Protocol::Judged::generated) {
    result.score = result.generated;
  } else if (unchanged) {
    const auto& after = side.ranks[row];
    const auto size = after.size(0);
    result.score = rank_agreement(ranks_before.narrow(0, ranks_before.size(0) - size, size), after);
  } else {
    result.score = side.right[row];
  }
}

}  // namespace

Before take_before(const Vlm& vlm, const Record& record, const Protocol& protocol,
                   const Interventions& base, const MeasureOptions& options) {
  at::NoGradGuard no_grad;
  Before before;
  before.protocol = protocol;
  before.asked = ask(record, protocol, options.own_question);
  before.answers.resize(before.asked.size());
  if (options.reuse) {
    if (!options.store) before.own = std::make_shared<ActivationStore>(ActivationStore::Options());
    before.store = options.store ? options.store : before.own.get();
  }
  const auto boundaries = boundaries_of(*vlm.model, options, base);
  before.batches = make_batches(vlm, before.asked, protocol, options.reuse);
  for (auto& batch : before.batches) {
    if (options.reuse) keep_passes(vlm, batch, boundaries, before.store);
    const auto scoped = in_scope(base, batch.asked, before.asked.size());
    auto side = side_before(vlm, before, batch, scoped, options.reuse ? options.store : nullptr);
    for (size_t r = 0; r < batch.asked.size(); ++r)
      before.answers[batch.asked[r]] = answer_text(vlm.processor, side.answers[r]);
    batch.ranks = std::move(side.ranks);
  }
  return before;
}

Measured measure(const Vlm& vlm, const Before& before, const Interventions& interventions) {
  at::NoGradGuard no_grad;
  Measured measured;
  measured.probes.resize(before.asked.size());
  for (const auto& batch : before.batches) {
    const auto side =
        side_of(vlm, before, batch, in_scope(interventions, batch.asked, before.asked.size()));
    for (size_t r = 0; r < batch.asked.size(); ++r) {
      const auto i = batch.asked[r];
      auto& result = measured.probes[i];
      result.asked = before.asked[i];
      result.before = before.answers[i];
      result.after = answer_text(vlm.processor, side.answers[r]);
      judge(before.protocol, batch.ranks[r], side, r, result);
    }
  }
  measured.scores = means_by_group(measured.probes);
  return measured;
}

}  // namespace emend
