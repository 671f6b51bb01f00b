#include "evaluation/measuring/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "evaluation/measuring/alternatives.h"
#include "evaluation/measuring/answer_spans.h"
#include "evaluation/measuring/probe_batches.h"
#include "io/error.h"
#include "models/generation/sampling.h"

namespace emend {
namespace {

// Locality compares all positions of a request, and other groups those of the answer.
std::vector<Span> spans_of(const Baseline& baseline, const ProbeBatch& batch, const Pass& pass) {
  auto spans = answer_spans(pass, batch.answers);
  const auto lengths = pass.mask.sum(1).to(at::kCPU);
  for (size_t r = 0; r < batch.probes.size(); ++r) {
    if (!is_locality(baseline.queries[batch.probes[r]].group)) continue;
    const auto length = lengths[static_cast<int64_t>(r)].item<int64_t>();
    const auto known = batch.ranks.empty() ? length : batch.ranks[r].size(0);
    if (known != length && baseline.protocol.alignment == Protocol::Alignment::equal_lengths)
      throw Error("evaluation::measure",
                  fmt::format("a request has {} positions after the edit and {} before; the "
                              "protocol {} compares equal lengths only",
                              length, known, baseline.protocol.name),
                  "use easyedit-editor or strict for an editor that rewrites requests, "
                  "or the exception of for_editor");
    const auto end = spans[r].end + 1;
    spans[r] = {end - std::min(length, known), end};
  }
  return spans;
}

// The number of last positions of each row that spans_of may need.
std::vector<int64_t> ends_of(const Baseline& baseline, const ProbeBatch& batch) {
  std::vector<int64_t> ends;
  for (size_t r = 0; r < batch.probes.size(); ++r) {
    auto end = static_cast<int64_t>(batch.answers[r].size()) + 1;
    if (is_locality(baseline.queries[batch.probes[r]].group))
      end = batch.ranks.empty() ? std::numeric_limits<int64_t>::max() : batch.ranks[r].size(0);
    ends.push_back(end);
  }
  return ends;
}

// logits: (n, V), which predict the n tokens of the answer.
double accuracy(const Protocol& protocol, const at::Tensor& logits,
                const std::vector<int64_t>& answer) {
  // The metrics take the whole row: each label is one position after the logits that predict it.
  auto length = static_cast<int64_t>(answer.size());
  auto labels = at::full({1, length + 1}, kIgnored, at::kLong);
  labels.narrow(1, 1, length).copy_(at::tensor(answer, at::kLong).unsqueeze(0));
  auto row = at::cat({logits, logits.narrow(0, length - 1, 1)}).unsqueeze(0);
  labels = labels.to(row.device());
  return protocol.accuracy == Protocol::Accuracy::exact_match ? exact_match(row, labels)
                                                              : token_accuracy(row, labels);
}

void evaluate_forced(const Vlm& vlm, const Baseline& baseline, const ProbeBatch& batch,
                     const Interventions& interventions, ModelOutputs& side) {
  const auto& protocol = baseline.protocol;
  auto pass = resume(vlm, batch.forced, interventions, baseline.store, ends_of(baseline, batch));
  const auto spans = spans_of(baseline, batch, pass);
  pass.logit_positions = flattened_spans(spans, pass.ids.size(1)).to(vlm.model->device());
  vlm.model->run(pass, interventions);
  int64_t at = 0;
  for (size_t r = 0; r < spans.size(); ++r) {
    const auto own = pass.logits().narrow(0, at, spans[r].end - spans[r].begin);
    at += own.size(0);
    const auto& query = baseline.queries[batch.probes[r]];
    const auto& answer = batch.answers[r];
    const auto size = static_cast<int64_t>(answer.size());
    auto said = own;
    if (is_locality(query.group)) {
      const auto k = query.group == Group::text_locality ? protocol.text_k : protocol.image_k;
      side.ranks[r] = top_ids(own, k, ranking_of(protocol, vlm)).to(at::kCPU);
      said = own.narrow(0, own.size(0) - size - 1, size);
    } else {
      side.right[r] = accuracy(protocol, own, answer);
    }
    if (!query.alternative.empty()) side.log_probabilities[r] = mean_log_probability(said, answer);
    if (!protocol.generate_answers) side.answers[r] = choose_greedy(said);
  }
}

}  // namespace

ModelOutputs evaluate_batch(const Vlm& vlm, const Baseline& baseline, const ProbeBatch& batch,
                            const Interventions& interventions) {
  const auto rows = batch.probes.size();
  ModelOutputs side{std::vector<std::vector<int64_t>>(rows), std::vector<at::Tensor>(rows),
                    std::vector<double>(rows), std::vector<double>(rows)};
  if (!batch.forced.batch.rows.empty()) evaluate_forced(vlm, baseline, batch, interventions, side);
  if (!batch.prompts.batch.rows.empty()) {
    GenerationOptions options;
    options.max_new_tokens = baseline.protocol.max_new_tokens;
    const auto& config = vlm.processor.generation;
    const bool looks_at_prompts = config.changes_logits() || config.max_length > 0;
    const auto seen =
        looks_at_prompts ? apply_requests(batch.prompts.batch, interventions) : batch.prompts.batch;
    options = with_folder_settings(options, vlm, seen);
    side.answers = generate_tokens(
        *vlm.model,
        resume(vlm, batch.prompts, interventions, baseline.store, std::vector<int64_t>(rows, 1)),
        vlm.processor.stop_tokens, interventions, options);
  }
  return side;
}

}  // namespace emend
