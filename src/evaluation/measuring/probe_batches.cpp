#include "evaluation/measuring/probe_batches.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "models/caching/prefix.h"
#include "models/caching/shared_prefix.h"

namespace emend {
namespace {

constexpr size_t kImageBatch = 16;
constexpr size_t kTextBatch = 64;

// Text-only probes and probes with pictures are separate, so that text rows need little padding.
std::vector<std::vector<size_t>> batch_members(const std::vector<ProbeQuery>& queries, bool few) {
  std::vector<std::vector<size_t>> batches;
  for (bool images : {true, false}) {
    const size_t most = !few ? 1 : images ? kImageBatch : kTextBatch;
    bool open = false;
    for (size_t i = 0; i < queries.size(); ++i) {
      if (queries[i].image.present() != images) continue;
      if (!open || batches.back().size() == most) batches.emplace_back();
      open = true;
      batches.back().push_back(i);
    }
  }
  return batches;
}

void cache_batch_passes(const Vlm& vlm, CachedBatch& batch, std::vector<size_t> boundaries,
                        ActivationStore* store) {
  std::sort(boundaries.begin(), boundaries.end());
  for (auto boundary : boundaries) {
    if (boundary == 0 || boundary >= vlm.model->stages().size()) continue;
    if (batch.passes.empty()) {
      batch.passes.push_back(forward_until(vlm, batch.batch, boundary, {}, store, batch.pad));
    } else if (batch.passes.back().next < boundary) {
      auto pass = batch.passes.back();
      vlm.model->run(pass, boundary - 1);
      batch.passes.push_back(std::move(pass));
    }
  }
}

}  // namespace

std::vector<ProbeQuery> probe_queries(const Record& record, const Protocol& protocol,
                                      bool own_question) {
  std::vector<ProbeQuery> queries;
  bool reliability = std::any_of(record.probes.begin(), record.probes.end(),
                                 [](const Probe& p) { return p.group == Group::reliability; });
  if (!reliability && own_question)
    queries.push_back(
        {{record.image, edit_prompt(protocol, record), continuation(protocol, record.target)},
         Group::reliability,
         record.target});
  for (const auto& probe : record.probes)
    queries.push_back({{probe.image, probe_prompt(protocol, record, probe),
                        continuation(protocol, probe.answer), probe.fact},
                       probe.group,
                       probe.answer,
                       probe.similar,
                       probe.alternative});
  return queries;
}

std::vector<ProbeBatch> make_probe_batches(const Vlm& vlm, const std::vector<ProbeQuery>& queries,
                                           const Protocol& protocol, bool few) {
  const bool forces = protocol.judged == Protocol::Judged::forced;
  std::vector<ProbeBatch> batches;
  for (auto& own : batch_members(queries, few)) {
    std::vector<TargetQuery> members;
    for (auto i : own) members.push_back(queries[i]);
    auto forced = force(vlm, members, /*end_of_answer=*/false);
    ProbeBatch batch;
    batch.probes = std::move(own);
    if (!forces || protocol.generate_answers) {
      batch.prompts = {forced.batch, PadSide::left, {}};
      for (size_t r = 0; r < batch.probes.size(); ++r) {
        auto& row = batch.prompts.batch.rows[r];
        row.ids.resize(static_cast<size_t>(forced.answer_begin[r]));
        if (!row.segments.empty()) row.segments.resize(row.ids.size());
      }
    }
    if (forces) {
      batch.forced = {std::move(forced.batch), PadSide::right, {}};
      batch.answers = std::move(forced.answers);
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

void cache_passes(const Vlm& vlm, ProbeBatch& batch, const std::vector<size_t>& boundaries,
                  ActivationStore* store) {
  if (!batch.forced.batch.rows.empty()) cache_batch_passes(vlm, batch.forced, boundaries, store);
  if (batch.prompts.batch.rows.empty()) return;
  auto clipped = boundaries;
  const auto language = vlm.model->first_stage(Module::language);
  for (auto& boundary : clipped) boundary = std::min(boundary, language);
  cache_batch_passes(vlm, batch.prompts, clipped, store);
}

Pass resume(const Vlm& vlm, const CachedBatch& batch, const Interventions& interventions,
            ActivationStore* store, const std::vector<int64_t>& ends) {
  const auto& model = *vlm.model;
  const auto first = first_changed_stage(model, interventions);
  const Pass* latest = nullptr;
  for (const auto& pass : batch.passes)
    if (pass.next <= first) latest = &pass;
  if (latest) return *latest;
  const auto seen = apply_requests(batch.batch, interventions);
  const bool rewritten = std::any_of(interventions.begin(), interventions.end(),
                                     [](const auto& i) { return i.point == Point::request; });
  if (rewritten && store && !ends.empty())
    if (auto shared = share_prefixes(vlm, seen, ends, interventions, store, batch.pad))
      return shared->pass;
  return forward_until(vlm, seen, model.first_stage(Module::language), interventions, store,
                       batch.pad);
}

Interventions in_scope(const Interventions& interventions, const std::vector<size_t>& probe_indices,
                       size_t probes) {
  auto scoped = interventions;
  for (auto& intervention : scoped) {
    if (intervention.rows.empty()) continue;
    if (intervention.rows.size() != probes)
      throw Error("evaluation::measure",
                  fmt::format("the scope of an intervention has {} rows, but there are {} probes",
                              intervention.rows.size(), probes),
                  "give one row for each element of Baseline::queries");
    std::vector<bool> rows;
    for (auto i : probe_indices) rows.push_back(intervention.rows[i]);
    intervention.rows = std::move(rows);
  }
  return scoped;
}

}  // namespace emend
