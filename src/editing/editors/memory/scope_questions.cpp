#include "editing/editors/memory/scope_questions.h"

#include <algorithm>
#include <set>

#include "editing/editors/memory/entries.h"
#include "editing/editors/memory/language_sites.h"

namespace emend {
namespace {

// Removes the picture of an example, which makes it an edit of a text with its rephrases and
// locality.
EditExample without_picture(EditExample example) {
  example.edit.image = {};
  example.consequences.clear();
  std::set<std::string> prompts = {example.edit.prompt};
  std::vector<TargetQuery> rewordings;
  for (auto& query : example.generality) {
    if (!prompts.insert(query.prompt).second) continue;
    query.image = {};
    rewordings.push_back(std::move(query));
  }
  example.generality = std::move(rewordings);
  std::erase_if(example.text_locality,
                [&](const TargetQuery& query) { return prompts.count(query.prompt) > 0; });
  return example;
}

// The questions in scope, at most `most` of each example (0: all).
std::vector<size_t> answered(const ScopeQuestions& all, size_t examples, int64_t most) {
  std::vector<std::vector<size_t>> own(examples);
  for (size_t q = 0; q < all.queries.size(); ++q)
    if (all.in_scope(q)) own[all.example[q]].push_back(q);
  std::vector<size_t> chosen;
  for (size_t l = 0; l < examples; ++l) {
    const auto size = own[l].size();
    const auto take = most > 0 ? std::min(size, static_cast<size_t>(most)) : size;
    for (size_t i = 0; i < take; ++i) chosen.push_back(own[l][(l + i) % size]);
  }
  return chosen;
}

}  // namespace

void ScopeQuestions::add(const TargetQuery& query, size_t of, Kind as) {
  queries.push_back(query);
  example.push_back(of);
  kind.push_back(as);
}

ScopeQuestions ScopeQuestions::of(const std::vector<EditExample>& examples, double texts,
                                  bool pictures) {
  ScopeQuestions all;
  const auto bare = static_cast<size_t>(texts * static_cast<double>(examples.size()));
  for (size_t l = 0; l < examples.size(); ++l) {
    const auto example = l < bare ? without_picture(examples[l]) : examples[l];
    all.add({example.edit.image, example.edit.prompt, example.edit.target}, l, Kind::edit);
    for (const auto& query : example.generality) all.add(query, l, Kind::follows);
    for (const auto& query : example.consequences) all.add(query, l, Kind::follows);
    for (const auto& query : example.text_locality) all.add(query, l, Kind::text);
    if (!pictures) continue;
    for (const auto& query : example.image_locality) all.add(query, l, Kind::picture);
  }
  return all;
}

at::Tensor counterfactual_loss(const Vlm& vlm, const LowRankChange& change,
                               const std::string& edit_prefix, const ScopeQuestions& all,
                               const ForcedBatch& forced, const at::Tensor& image_features,
                               int64_t answers, int64_t seed) {
  const auto& model = *vlm.model;
  std::vector<EditPrefix> edits;
  std::vector<Projection> drawn;
  for (size_t q = 0; q < all.queries.size(); ++q) {
    if (all.kind[q] != ScopeQuestions::Kind::edit) continue;
    const auto& edit = all.queries[q];
    edits.push_back(EditPrefix::of(vlm.processor, edit_prefix, edit.prompt, edit.target));
    if (seed < 0) continue;
    const auto name = entry_name(edit.prompt, forced.batch, q);
    drawn.push_back(Projection::draw(connector_width(model),
                                     projection_seed(seed, name, edit.target), model.device()));
  }
  std::vector<Row> rows;
  std::vector<const EditPrefix*> prefixes;
  std::vector<const Projection*> projections;
  std::vector<size_t> asked;
  for (auto q : answered(all, edits.size(), answers)) {
    rows.push_back(forced.batch.rows[q]);
    prefixes.push_back(&edits[all.example[q]]);
    if (!drawn.empty()) projections.push_back(&drawn[all.example[q]]);
    asked.push_back(q);
  }
  auto made = counterfactual_pass(model, {forced.batch.pixels, rows}, prefixes, image_features,
                                  projections, PadSide::right);
  std::vector<int64_t> positions, tokens;
  std::vector<float> weights;
  for (size_t i = 0; i < asked.size(); ++i) {
    const auto& answer = forced.answers[asked[i]];
    for (size_t t = 0; t < answer.size(); ++t) {
      const auto before = forced.answer_begin[asked[i]] + static_cast<int64_t>(t) - 1;
      positions.push_back(made.position(static_cast<int64_t>(i), before));
      tokens.push_back(answer[t]);
      weights.push_back(1.0f / static_cast<float>(answer.size() * asked.size()));
    }
  }
  const auto device = model.device();
  made.pass.logit_positions = at::tensor(positions, at::kLong).to(device);
  model.run(made.pass, change.interventions());
  auto logp = at::log_softmax(made.pass.logits(), -1, at::kFloat);
  auto said = logp.gather(-1, at::tensor(tokens, at::kLong).to(device).unsqueeze(-1)).squeeze(-1);
  return at::neg((said * at::tensor(weights).to(device)).sum());
}

}  // namespace emend
