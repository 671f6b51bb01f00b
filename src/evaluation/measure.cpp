#include "evaluation/measure.h"

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

constexpr size_t kImageBatch = 16;
constexpr size_t kTextBatch = 64;

std::vector<Asked> ask(const Record& record, const Protocol& protocol) {
  std::vector<Asked> asked;
  bool reliability = std::any_of(record.probes.begin(), record.probes.end(),
                                 [](const Probe& p) { return p.group == Group::reliability; });
  if (!reliability)
    asked.push_back({Group::reliability,
                     {record.image, edit_prompt(protocol, record), continuation(record.target)},
                     record.target});
  for (const auto& probe : record.probes)
    asked.push_back(
        {probe.group,
         {probe.image, probe_prompt(protocol, record, probe), continuation(probe.answer)},
         probe.answer});
  return asked;
}

// Text-only probes and those with pictures apart: a text row is not padded to a picture's length.
std::vector<std::vector<size_t>> into_batches(const std::vector<Asked>& asked) {
  std::vector<std::vector<size_t>> batches;
  for (bool images : {true, false}) {
    bool open = false;
    for (size_t i = 0; i < asked.size(); ++i) {
      if (asked[i].query.image.present() != images) continue;
      if (!open || batches.back().size() == (images ? kImageBatch : kTextBatch))
        batches.emplace_back();
      open = true;
      batches.back().push_back(i);
    }
  }
  return batches;
}

AskedBatch prepare(const Vlm& vlm, const std::vector<Asked>& asked, std::vector<size_t> members) {
  AskedBatch batch;
  batch.asked = std::move(members);
  std::vector<ForcedQuery> queries;
  for (auto i : batch.asked) queries.push_back(asked[i].query);
  batch.forced = force(vlm, queries, /*end_of_answer=*/false);

  std::vector<int64_t> wanted;
  for (size_t r = 0; r < batch.asked.size(); ++r) {
    batch.logits_begin.push_back(static_cast<int64_t>(wanted.size()));
    auto begin = batch.forced.answer_begin[r] - 1;
    auto end = begin + static_cast<int64_t>(batch.forced.answers[r].size());
    if (is_locality(asked[batch.asked[r]].group)) {
      begin = 0;
      end += 1;
    }
    for (auto t = begin; t < end; ++t)
      wanted.push_back(static_cast<int64_t>(r) * batch.forced.width + t);
  }
  batch.logits_begin.push_back(static_cast<int64_t>(wanted.size()));
  auto pass = vlm.model->begin(batch.forced.batch);
  pass.wanted = at::tensor(wanted, at::kLong).to(vlm.model->device());
  batch.kept.push_back(std::move(pass));
  return batch;
}

// (K, V) float32, after all stages from the latest kept pass that `interventions` leave alone.
at::Tensor logits_of(const Vlm& vlm, const AskedBatch& batch, const Interventions& interventions) {
  auto first = first_changed_stage(*vlm.model, interventions);
  auto pass = batch.kept.front();
  for (const auto& kept : batch.kept)
    if (kept.next <= first) pass = kept;
  vlm.model->run(pass, interventions);
  return pass.logits().to(at::kFloat);
}

at::Tensor rows_of(const AskedBatch& batch, const at::Tensor& logits, size_t row) {
  auto begin = batch.logits_begin[row];
  return logits.narrow(0, begin, batch.logits_begin[row + 1] - begin);
}

at::Tensor ranks_of(const Protocol& protocol, Group group, const at::Tensor& logits) {
  auto k = group == Group::text_locality ? protocol.text_k : protocol.image_k;
  return top_ids(logits, k, protocol.ranking);
}

double accuracy(const Protocol& protocol, const at::Tensor& logits,
                const std::vector<int64_t>& answer) {
  // The metrics want the whole row: the answer's labels stand one behind the logits that predict
  // them.
  auto length = static_cast<int64_t>(answer.size());
  auto labels = at::full({1, length + 1}, kIgnored, at::kLong);
  labels.narrow(1, 1, length).copy_(at::tensor(answer, at::kLong).unsqueeze(0));
  auto row = at::cat({logits, logits.narrow(0, length - 1, 1)}).unsqueeze(0);
  labels = labels.to(row.device());
  return protocol.accuracy == Protocol::Accuracy::exact_match ? exact_match(row, labels)
                                                              : token_accuracy(row, labels);
}

std::vector<std::string> generate_all(const Vlm& vlm, const Before& before,
                                      const Interventions& interventions) {
  std::vector<std::string> answers(before.asked.size());
  GenerationOptions options;
  options.max_new_tokens = before.protocol.max_new_tokens;
  for (const auto& batch : before.batches) {
    std::vector<Query> queries;
    for (auto i : batch.asked) {
      const auto& query = before.asked[i].query;
      queries.push_back(
          {query.image.present() ? std::optional(query.image.load()) : std::nullopt, query.prompt});
    }
    auto generated = generate(vlm, queries, interventions, options);
    for (size_t r = 0; r < batch.asked.size(); ++r) answers[batch.asked[r]] = generated.at(r);
  }
  return answers;
}

}  // namespace

Before take_before(const Vlm& vlm, const Record& record, const Protocol& protocol,
                   const Interventions& base, const MeasureOptions&) {
  at::NoGradGuard no_grad;
  const auto& model = *vlm.model;
  Before before;
  before.protocol = protocol;
  before.asked = ask(record, protocol);
  for (auto& members : into_batches(before.asked)) {
    auto batch = prepare(vlm, before.asked, std::move(members));
    auto pass = batch.kept.front();
    for (size_t s = 1; s < model.stages().size(); ++s) {
      if (model.stages()[s].module == model.stages()[s - 1].module) continue;
      model.run(pass, s - 1, base);
      batch.kept.push_back(pass);
    }
    model.run(pass, base);
    auto logits = pass.logits().to(at::kFloat);
    batch.ranks.resize(batch.asked.size());
    for (size_t r = 0; r < batch.asked.size(); ++r) {
      auto group = before.asked[batch.asked[r]].group;
      if (is_locality(group)) batch.ranks[r] = ranks_of(protocol, group, rows_of(batch, logits, r));
    }
    before.batches.push_back(std::move(batch));
  }
  before.answers = generate_all(vlm, before, base);
  return before;
}

Measured measure(const Vlm& vlm, const Before& before, const Interventions& interventions) {
  at::NoGradGuard no_grad;
  Measured measured;
  measured.probes.resize(before.asked.size());
  auto answers = generate_all(vlm, before, interventions);
  for (const auto& batch : before.batches) {
    auto logits = logits_of(vlm, batch, interventions);
    for (size_t r = 0; r < batch.asked.size(); ++r) {
      auto i = batch.asked[r];
      auto& result = measured.probes[i];
      result.asked = before.asked[i];
      result.before = before.answers[i];
      result.after = answers[i];
      auto own = rows_of(batch, logits, r);
      bool unchanged = is_locality(result.asked.group);
      result.score = unchanged ? rank_agreement(batch.ranks[r],
                                                ranks_of(before.protocol, result.asked.group, own))
                               : accuracy(before.protocol, own, batch.forced.answers[r]);
      result.generated =
          same_answer(result.after, unchanged ? result.before : result.asked.expected);
    }
  }
  for (const auto& result : measured.probes) {
    auto& score = measured.scores[result.asked.group];
    score.score += result.score;
    score.generated += result.generated;
    ++score.probes;
  }
  for (auto& [group, score] : measured.scores) {
    score.score /= static_cast<double>(score.probes);
    score.generated /= static_cast<double>(score.probes);
  }
  return measured;
}

void Averages::add(const Measured& measured) {
  ++records_;
  for (const auto& [group, score] : measured.scores) {
    auto& sum = sums_[group];
    sum.score += score.score;
    sum.generated += score.generated;
    sum.probes += score.probes;
    ++counts_[group];
  }
}

std::map<Group, Score> Averages::scores() const {
  auto means = sums_;
  for (auto& [group, score] : means) {
    score.score /= static_cast<double>(counts_.at(group));
    score.generated /= static_cast<double>(counts_.at(group));
  }
  return means;
}

nlohmann::json to_json(const std::map<Group, Score>& scores) {
  auto json = nlohmann::json::object();
  for (const auto& [group, score] : scores)
    json[group_name(group)] = {
        {"score", score.score}, {"generated", score.generated}, {"probes", score.probes}};
  return json;
}

nlohmann::json to_json(const ProbeResult& result) {
  const auto& image = result.asked.query.image;
  return {{"group", group_name(result.asked.group)},
          {"image", !image.path.empty() ? nlohmann::json(image.path)
                    : image.present()   ? nlohmann::json("drawn")
                                        : nlohmann::json()},
          {"prompt", result.asked.query.prompt},
          {"expected", result.asked.expected},
          {"before", result.before},
          {"after", result.after},
          {"score", result.score},
          {"generated", result.generated}};
}

}  // namespace emend
