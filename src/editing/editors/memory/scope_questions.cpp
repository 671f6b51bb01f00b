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

// At most `most` (0: all) of the questions of each example that `chosen` returns true for.
template <typename Predicate>
std::vector<size_t> chosen_questions(const ScopeQuestions& all, size_t examples, int64_t most,
                                     const Predicate& chosen) {
  std::vector<std::vector<size_t>> own(examples);
  for (size_t q = 0; q < all.queries.size(); ++q)
    if (chosen(q)) own[all.example[q]].push_back(q);
  std::vector<size_t> questions;
  for (size_t l = 0; l < examples; ++l) {
    const auto size = own[l].size();
    const auto take = most > 0 ? std::min(size, static_cast<size_t>(most)) : size;
    for (size_t i = 0; i < take; ++i) questions.push_back(own[l][(l + i) % size]);
  }
  return questions;
}

// The edits of the examples, in their order.
std::vector<size_t> edits_of(const ScopeQuestions& all) {
  std::vector<size_t> edits;
  for (size_t q = 0; q < all.queries.size(); ++q)
    if (all.kind[q] == ScopeQuestions::Kind::edit) edits.push_back(q);
  return edits;
}

std::vector<EditPrefix> prefixes_of(const Vlm& vlm, const std::string& edit_prefix,
                                    const ScopeQuestions& all, const std::vector<size_t>& edits) {
  std::vector<EditPrefix> prefixes;
  for (const auto q : edits)
    prefixes.push_back(
        EditPrefix::of(vlm.processor, edit_prefix, all.queries[q].prompt, all.queries[q].target));
  return prefixes;
}

// The answer tokens of questions that the model reads with an edit in front of them.
struct AnswerTokens {
  at::Tensor logp;     // (A, V) log-probabilities at the positions before the tokens
  at::Tensor tokens;   // (A)
  at::Tensor weights;  // (A): 1 / (tokens of the answer x questions)
};

// prefixes, projections (may be empty): one for each question.
AnswerTokens read_answers(const Vlm& vlm, const Interventions& changes, const ForcedBatch& forced,
                          const std::vector<size_t>& questions,
                          const std::vector<const EditPrefix*>& prefixes,
                          const std::vector<const Projection*>& projections,
                          const at::Tensor& image_features) {
  const auto& model = *vlm.model;
  std::vector<Row> rows;
  for (const auto q : questions) rows.push_back(forced.batch.rows[q]);
  auto read = counterfactual_pass(model, {forced.batch.pixels, rows}, prefixes, image_features,
                                  projections, PadSide::right);
  std::vector<int64_t> positions, tokens;
  std::vector<float> weights;
  for (size_t i = 0; i < questions.size(); ++i) {
    const auto& answer = forced.answers[questions[i]];
    for (size_t t = 0; t < answer.size(); ++t) {
      const auto before = forced.answer_begin[questions[i]] + static_cast<int64_t>(t) - 1;
      positions.push_back(read.position(static_cast<int64_t>(i), before));
      tokens.push_back(answer[t]);
      weights.push_back(1.0f / static_cast<float>(answer.size() * questions.size()));
    }
  }
  const auto device = model.device();
  read.pass.logit_positions = at::tensor(positions, at::kLong).to(device);
  model.run(read.pass, changes);
  return {at::log_softmax(read.pass.logits(), -1, at::kFloat),
          at::tensor(tokens, at::kLong).to(device), at::tensor(weights).to(device)};
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
  const auto edits = edits_of(all);
  const auto own = prefixes_of(vlm, edit_prefix, all, edits);
  std::vector<Projection> drawn;
  for (const auto q : edits) {
    if (seed < 0) continue;
    const auto& edit = all.queries[q];
    const auto name = entry_name(edit.prompt, forced.batch, q);
    drawn.push_back(Projection::draw(connector_width(*vlm.model),
                                     projection_seed(seed, name, edit.target),
                                     vlm.model->device()));
  }
  const auto questions =
      chosen_questions(all, edits.size(), answers, [&](size_t q) { return all.in_scope(q); });
  std::vector<const EditPrefix*> prefixes;
  std::vector<const Projection*> projections;
  for (const auto q : questions) {
    prefixes.push_back(&own[all.example[q]]);
    if (!drawn.empty()) projections.push_back(&drawn[all.example[q]]);
  }
  const auto read = read_answers(vlm, change.interventions(), forced, questions, prefixes,
                                 projections, image_features);
  const auto logp = read.logp.gather(-1, read.tokens.unsqueeze(-1)).squeeze(-1);
  return at::neg((logp * read.weights).sum());
}

at::Tensor reading_locality_loss(const Vlm& vlm, const LowRankChange& change,
                                 const std::string& edit_prefix, const ScopeQuestions& all,
                                 const ForcedBatch& forced, const at::Tensor& image_features,
                                 int64_t answers) {
  const auto edits = edits_of(all);
  const auto questions = chosen_questions(all, edits.size(), answers, [&](size_t q) {
    const auto& pictures = forced.batch.rows[q].images;
    return all.kind[q] == ScopeQuestions::Kind::picture && !pictures.empty() &&
           pictures == forced.batch.rows[edits[all.example[q]]].images;
  });
  if (questions.empty()) return at::zeros({}, at::device(vlm.model->device()).dtype(at::kFloat));
  const auto own = prefixes_of(vlm, edit_prefix, all, edits);
  const EditPrefix none;
  const std::vector<const EditPrefix*> unedited(questions.size(), &none);
  std::vector<const EditPrefix*> prefixes;
  for (const auto q : questions) prefixes.push_back(&own[all.example[q]]);
  at::Tensor before;
  {
    at::NoGradGuard no_grad;
    before = read_answers(vlm, {}, forced, questions, unedited, {}, image_features).logp;
  }
  const auto read =
      read_answers(vlm, change.interventions(), forced, questions, prefixes, {}, image_features);
  return ((before.exp() * (before - read.logp)).sum(-1) * read.weights).sum();
}

}  // namespace emend
