#include "evaluation/measuring/measure.h"

#include "evaluation/measuring/alternatives.h"
#include "evaluation/measuring/outputs.h"
#include "evaluation/measuring/probe_batches.h"

namespace emend {
namespace {

void judge(const Protocol& protocol, const at::Tensor& ranks_before, const ModelOutputs& side,
           size_t row, ProbeResult& result) {
  const bool unchanged = is_locality(result.query.group);
  const auto& wanted = unchanged ? result.before : result.query.expected;
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

RecordResult measure(const Vlm& vlm, const Baseline& baseline, const Interventions& interventions) {
  at::NoGradGuard no_grad;
  RecordResult measured;
  measured.probes.resize(baseline.queries.size());
  for (const auto& batch : baseline.batches) {
    const auto side = evaluate_batch(
        vlm, baseline, batch, in_scope(interventions, batch.probes, baseline.queries.size()));
    for (size_t r = 0; r < batch.probes.size(); ++r) {
      const auto i = batch.probes[r];
      auto& result = measured.probes[i];
      result.query = baseline.queries[i];
      result.before = baseline.answers[i];
      result.after = answer_text(vlm.processor, side.answers[r]);
      judge(baseline.protocol, batch.ranks[r], side, r, result);
      if (!baseline.alternatives.empty() && !result.query.alternative.empty())
        result.preference = {side.log_probabilities[r], 0};
    }
  }
  for (const auto& batch : baseline.alternatives) {
    const auto means = answer_log_probabilities(
        vlm, baseline, batch, in_scope(interventions, batch.probes, baseline.queries.size()));
    for (size_t r = 0; r < batch.probes.size(); ++r)
      measured.probes[batch.probes[r]].preference->alternative = means[r];
  }
  measured.scores = means_by_group(measured.probes);
  return measured;
}

}  // namespace emend
