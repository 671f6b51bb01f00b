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
std::vector<std::vector<size_t>> members(const std::vector<Asked>& asked, bool few) {
  std::vector<std::vector<size_t>> batches;
  for (bool images : {true, false}) {
    const size_t most = !few ? 1 : images ? kImageBatch : kTextBatch;
    bool open = false;
    for (size_t i = 0; i < asked.size(); ++i) {
      if (asked[i].query.image.present() != images) continue;
      if (!open || batches.back().size() == most) batches.emplace_back();
      open = true;
      batches.back().push_back(i);
    }
  }
  return batches;
}

void keep(const Vlm& vlm, KeptBatch& batch, std::vector<size_t> boundaries,
          ActivationStore* store) {
  std::sort(boundaries.begin(), boundaries.end());
  for (auto boundary : boundaries) {
    if (boundary == 0 || boundary >= vlm.model->stages().size()) continue;
    if (batch.kept.empty()) {
      batch.kept.push_back(run_prefix(vlm, batch.batch, boundary, {}, store, batch.pad));
    } else if (batch.kept.back().next < boundary) {
      auto pass = batch.kept.back();
      vlm.model->run(pass, boundary - 1);
      batch.kept.push_back(std::move(pass));
    }
  }
}

}  // namespace

std::vector<Asked> ask(const Record& record, const Protocol& protocol, bool own_question) {
  std::vector<Asked> asked;
  bool reliability = std::any_of(record.probes.begin(), record.probes.end(),
                                 [](const Probe& p) { return p.group == Group::reliability; });
  if (!reliability && own_question)
    asked.push_back(
        {Group::reliability,
         {record.image, edit_prompt(protocol, record), continuation(protocol, record.target)},
         record.target});
  for (const auto& probe : record.probes)
    asked.push_back(
        {probe.group,
         {probe.image, probe_prompt(protocol, record, probe), continuation(protocol, probe.answer)},
         probe.answer,
         probe.similar});
  return asked;
}

std::vector<AskedBatch> make_batches(const Vlm& vlm, const std::vector<Asked>& asked,
                                     const Protocol& protocol, bool few) {
  const bool forces = protocol.judged == Protocol::Judged::forced;
  std::vector<AskedBatch> batches;
  for (auto& own : members(asked, few)) {
    std::vector<ForcedQuery> queries;
    for (auto i : own) queries.push_back(asked[i].query);
    auto forced = force(vlm, queries, /*end_of_answer=*/false);
    AskedBatch batch;
    batch.asked = std::move(own);
    if (!forces || protocol.generate_answers) {
      batch.prompts = {forced.batch, PadSide::left, {}};
      for (size_t r = 0; r < batch.asked.size(); ++r) {
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

void keep_passes(const Vlm& vlm, AskedBatch& batch, const std::vector<size_t>& boundaries,
                 ActivationStore* store) {
  if (!batch.forced.batch.rows.empty()) keep(vlm, batch.forced, boundaries, store);
  if (batch.prompts.batch.rows.empty()) return;
  auto clipped = boundaries;
  const auto language = vlm.model->first_stage(Module::language);
  for (auto& boundary : clipped) boundary = std::min(boundary, language);
  keep(vlm, batch.prompts, clipped, store);
}

Pass resume(const Vlm& vlm, const KeptBatch& batch, const Interventions& interventions,
            ActivationStore* store, const std::vector<int64_t>& ends) {
  const auto& model = *vlm.model;
  const auto first = first_changed_stage(model, interventions);
  const Pass* latest = nullptr;
  for (const auto& pass : batch.kept)
    if (pass.next <= first) latest = &pass;
  if (latest) return *latest;
  const auto seen = apply_requests(batch.batch, interventions);
  const bool rewritten = std::any_of(interventions.begin(), interventions.end(),
                                     [](const auto& i) { return i.point == Point::request; });
  if (rewritten && store && !ends.empty())
    if (auto shared = share_prefixes(vlm, seen, ends, interventions, store, batch.pad))
      return shared->pass;
  return run_prefix(vlm, seen, model.first_stage(Module::language), interventions, store,
                    batch.pad);
}

Interventions in_scope(const Interventions& interventions, const std::vector<size_t>& asked,
                       size_t probes) {
  auto scoped = interventions;
  for (auto& intervention : scoped) {
    if (intervention.rows.empty()) continue;
    if (intervention.rows.size() != probes)
      throw Error("evaluation::measure",
                  fmt::format("the scope of an intervention has {} rows, but there are {} probes",
                              intervention.rows.size(), probes),
                  "give one row for each element of Before::asked");
    std::vector<bool> rows;
    for (auto i : asked) rows.push_back(intervention.rows[i]);
    intervention.rows = std::move(rows);
  }
  return scoped;
}

}  // namespace emend
