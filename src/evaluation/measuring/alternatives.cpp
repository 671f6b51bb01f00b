#include "evaluation/measuring/alternatives.h"

#include <algorithm>
#include <cmath>

#include "evaluation/measuring/answer_spans.h"
#include "evaluation/measuring/probe_batches.h"
#include "models/generation/sampling.h"
#include "nn/loss.h"

namespace emend {
namespace {

constexpr double kLowest = -1e30;  // instead of minus infinity, which JSON does not have

}  // namespace

std::vector<ProbeBatch> make_alternative_batches(const Vlm& vlm,
                                                 const std::vector<ProbeQuery>& queries,
                                                 const Protocol& protocol, bool few) {
  if (protocol.judged != Protocol::Judged::forced) return {};
  std::vector<ProbeQuery> alternatives;
  std::vector<size_t> probes;
  for (size_t i = 0; i < queries.size(); ++i) {
    if (queries[i].alternative.empty()) continue;
    alternatives.push_back(queries[i]);
    alternatives.back().target = continuation(protocol, queries[i].alternative);
    probes.push_back(i);
  }
  auto forced_only = protocol;
  forced_only.generate_answers = false;
  auto batches = make_probe_batches(vlm, alternatives, forced_only, few);
  for (auto& batch : batches)
    for (auto& probe : batch.probes) probe = probes[probe];
  return batches;
}

double mean_log_probability(const at::Tensor& logits, const std::vector<int64_t>& answer) {
  const auto mean =
      -answer_loss(logits, at::tensor(answer, at::kLong).to(logits.device())).item<double>();
  if (std::isnan(mean))
    refuse_nan_logits("evaluation::measure");
  return std::max(mean, kLowest);
}

std::vector<double> answer_log_probabilities(const Vlm& vlm, const Baseline& baseline,
                                             const ProbeBatch& batch,
                                             const Interventions& interventions) {
  std::vector<int64_t> ends;
  for (const auto& answer : batch.answers) ends.push_back(static_cast<int64_t>(answer.size()) + 1);
  auto pass = resume(vlm, batch.forced, interventions, baseline.store, ends);
  const auto spans = answer_spans(pass, batch.answers);
  pass.logit_positions = flattened_spans(spans, pass.ids.size(1)).to(vlm.model->device());
  vlm.model->run(pass, interventions);
  std::vector<double> means;
  int64_t begin = 0;
  for (const auto& answer : batch.answers) {
    const auto size = static_cast<int64_t>(answer.size());
    means.push_back(mean_log_probability(pass.logits().narrow(0, begin, size), answer));
    begin += size;
  }
  return means;
}

}  // namespace emend
