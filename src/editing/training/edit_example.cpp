#include "editing/training/edit_example.h"

#include <algorithm>

#include "models/caching/prefix.h"

namespace emend {
namespace {

// Batches the questions of several examples. Examples do not share pictures, so that each can have
// its own edit.
struct Gathered {
  ForcedBatch forced;
  EditIndex edit_index;
};

Gathered gather(const Vlm& vlm, const std::vector<std::vector<TargetQuery>>& by_example,
                bool end_of_answer) {
  Gathered all;
  std::vector<int64_t> example_of_row, example_of_picture;
  for (size_t l = 0; l < by_example.size(); ++l) {
    if (by_example[l].empty()) continue;
    auto own = force(vlm, by_example[l], end_of_answer);
    const auto offset = static_cast<int64_t>(example_of_picture.size());
    for (auto& row : own.batch.rows)
      for (auto& image : row.images) image += offset;
    if (own.batch.pixels.defined()) {
      all.forced.batch.pixels.append(own.batch.pixels);
      example_of_picture.resize(offset + own.batch.pixels.size(), static_cast<int64_t>(l));
    }
    example_of_row.resize(example_of_row.size() + own.batch.rows.size(), static_cast<int64_t>(l));
    auto& f = all.forced;
    f.width = std::max(f.width, own.width);
    std::move(own.batch.rows.begin(), own.batch.rows.end(), std::back_inserter(f.batch.rows));
    std::move(own.answers.begin(), own.answers.end(), std::back_inserter(f.answers));
    f.answer_begin.insert(f.answer_begin.end(), own.answer_begin.begin(), own.answer_begin.end());
  }
  const auto device = vlm.model->device();
  if (!example_of_picture.empty())
    all.edit_index.picture = at::tensor(example_of_picture, at::kLong).to(device);
  all.edit_index.row = at::tensor(example_of_row, at::kLong).to(device);
  return all;
}

// Converts deltas of the edits' pictures to deltas of the examples. An example whose edit has no
// picture gets none.
EditDeltas of_examples(const Model& model, const EditDeltas& deltas, const ExampleBatch& batch) {
  const auto examples = static_cast<int64_t>(batch.edits.answers.size());
  const auto module = model.stages()[model.site(deltas.site).stage].module;
  if (module == Module::language || deltas.up.size(0) == examples) return deltas;
  auto spread = [&](const at::Tensor& part) {
    return at::zeros({examples, part.size(1), part.size(2)}, part.options())
        .index_copy(0, batch.edit_index.picture, part);
  };
  return {deltas.site, spread(deltas.up), spread(deltas.down)};
}

ExampleBatch::Part make_part(const Vlm& vlm, const Gathered& gathered,
                             const std::vector<bool>& stays, size_t first, ActivationStore* store) {
  at::NoGradGuard no_grad;
  const auto& forced = gathered.forced;
  std::vector<int64_t> answers_at, answers, stays_at;
  std::vector<float> weights;
  for (size_t r = 0; r < stays.size(); ++r) {
    const auto row = static_cast<int64_t>(r) * forced.width;
    const auto& answer = forced.answers[r];
    const auto length = static_cast<int64_t>(forced.batch.rows[r].ids.size());
    if (stays[r]) {
      for (int64_t t = 0; t < length; ++t) stays_at.push_back(row + t);
      continue;
    }
    for (size_t i = 0; i < answer.size(); ++i) {
      answers_at.push_back(row + forced.answer_begin[r] + static_cast<int64_t>(i) - 1);
      answers.push_back(answer[i]);
      weights.push_back(1.0f / static_cast<float>(answer.size()));
    }
  }
  const auto device = vlm.model->device();
  ExampleBatch::Part part;
  part.pictures = forced.batch.pixels.defined();
  part.pass = training_pass(vlm, forced.batch, first, store);
  part.edit_index = gathered.edit_index;
  part.answers = at::tensor(answers, at::kLong).to(device);
  part.answer_weights = at::tensor(weights).to(device);
  auto before = part.pass;
  before.logit_positions = at::tensor(stays_at, at::kLong).to(device);
  if (!stays_at.empty()) {
    vlm.model->run(before);
    part.before = at::log_softmax(before.logits(), -1, at::kFloat);
  }
  part.pass.logit_positions =
      at::cat({at::tensor(answers_at, at::kLong).to(device), before.logit_positions});
  return part;
}

}  // namespace

void LossWeights::declare(SettingList& list) {
  list.number("edit_weight", edit, 0, 1e6, "weight of the nll of the generality questions");
  list.number("locality_weight", locality, 0, 1e6,
              "weight of KL(before || after) of the locality questions");
  list.number(
      "ranks_weight", ranks, 0, 1e6,
      "weight of the loss on shrinking gaps between the most likely tokens (top-k locality)");
  list.whole("ranked", ranked, 1, 1000, "number of most likely tokens in the loss on gaps");
  list.flag("end_of_answer", end_of_answer, "append the stop token to every answer");
}

Pass training_pass(const Vlm& vlm, const Batch& batch, size_t first, ActivationStore* store) {
  if (store) {
    auto pass = forward_until(vlm, batch, first, {}, store);
    pass.batched_pictures = true;
    return pass;
  }
  at::NoGradGuard no_grad;
  auto pass = vlm.model->collate(batch);
  pass.batched_pictures = true;
  if (first > 0) vlm.model->run(pass, first - 1);
  return pass;
}

ExampleBatch prepare_examples(const Vlm& vlm, const std::vector<EditExample>& examples,
                              size_t first, bool language, bool end_of_answer,
                              ActivationStore* store) {
  ExampleBatch batch;
  std::vector<std::vector<TargetQuery>> edits;
  for (const auto& example : examples)
    edits.push_back({{example.edit.image, example.edit.prompt, example.edit.target}});
  auto gathered = gather(vlm, edits, end_of_answer);
  batch.edit_pass = training_pass(vlm, gathered.forced.batch, first, store);
  batch.edit_index = gathered.edit_index;
  batch.edits = std::move(gathered.forced);

  for (bool pictures : {true, false}) {
    if (!pictures && !language) continue;
    std::vector<std::vector<TargetQuery>> queries(examples.size());
    std::vector<bool> stays;
    for (size_t l = 0; l < examples.size(); ++l) {
      auto take = [&](const std::vector<TargetQuery>& all, bool stay) {
        for (const auto& query : all) {
          if (query.image.present() != pictures) continue;
          queries[l].push_back(query);
          stays.push_back(stay);
        }
      };
      take(examples[l].generality, false);
      take(examples[l].image_locality, true);
      take(examples[l].text_locality, true);
    }
    if (!stays.empty())
      batch.parts.push_back(
          make_part(vlm, gather(vlm, queries, end_of_answer), stays, first, store));
  }
  return batch;
}

namespace {

// Less likely tokens are 0 in half precision, and then sorted by id.
constexpr double kSmallestProbability = 1e-7;

// Which of the gaps between the `count` + 1 most likely tokens matter; best: (L, count + 1).
at::Tensor likely_gaps(const at::Tensor& best) {
  return best.slice(-1, 0, best.size(-1) - 1).exp() > kSmallestProbability;
}

at::Tensor most_likely(const at::Tensor& before, int64_t count) {
  return std::get<0>(before.topk(std::min(count + 1, before.size(-1)), -1));
}

// The numbers that losses are divided by, as means over the processes. One process counts its gaps
// where it uses them.
struct LossCounts {
  double image_positions = 0, text_positions = 0, gaps = 0;

  LossCounts(const ExampleBatch& batch, const LossWeights& weights, ProcessGroup* group) {
    for (const auto& part : batch.parts) {
      if (!part.before.defined()) continue;
      (part.pictures ? image_positions : text_positions) +=
          static_cast<double>(part.before.size(0));
      if (group && part.pictures && weights.ranks > 0)
        gaps += likely_gaps(most_likely(part.before, weights.ranked)).sum().item<double>();
    }
    if (!group) return;
    const auto sums = at::tensor({image_positions, text_positions, gaps}, at::kDouble);
    group->sum({sums});
    double* const counts[] = {&image_positions, &text_positions, &gaps};
    for (int64_t i = 0; i < 3; ++i) *counts[i] = sums[i].item<double>() / group->size();
  }
};

}  // namespace

EditLosses edit_losses(const Model& model, const ExampleBatch& batch,
                       const std::vector<EditDeltas>& deltas, const LossWeights& weights,
                       ProcessGroup* group) {
  const LossCounts counts(batch, weights, group);
  EditLosses losses;
  std::vector<at::Tensor> terms;
  const auto examples = static_cast<double>(batch.edits.answers.size());
  auto count = [&](double weight, const at::Tensor& loss, double& told) {
    terms.push_back(loss * weight);
    told += loss.item<double>();
  };
  std::vector<EditDeltas> own;
  for (const auto& delta : deltas) own.push_back(of_examples(model, delta, batch));
  for (const auto& part : batch.parts) {
    Pass pass = part.pass;
    model.run(pass, attach(model, own, part.edit_index));
    auto logp = at::log_softmax(pass.logits(), -1, at::kFloat);
    const auto answered = part.answers.size(0);
    if (answered > 0) {
      auto picked = logp.narrow(0, 0, answered).gather(-1, part.answers.unsqueeze(-1)).squeeze(-1);
      count(weights.edit, -(picked * part.answer_weights).sum() / examples, losses.generality);
    }
    if (!part.before.defined()) continue;
    auto after = logp.narrow(0, answered, part.before.size(0));
    auto divergence = (part.before.exp() * (part.before - after)).sum() /
                      (part.pictures ? counts.image_positions : counts.text_positions);
    count(weights.locality, divergence,
          part.pictures ? losses.image_locality : losses.text_locality);
    if (part.pictures && weights.ranks > 0)
      count(weights.ranks, gap_shrinkage(part.before, after, weights.ranked, counts.gaps),
            losses.ranks);
  }
  // The edits may not affect any question.
  losses.total = terms.empty() ? at::zeros({}) : at::stack(terms).sum();
  return losses;
}

at::Tensor gap_shrinkage(const at::Tensor& before, const at::Tensor& after, int64_t count,
                         double number) {
  // In nats; tokens with a smaller gap change their order easily.
  constexpr double kSoft = 0.02;
  auto [best, ids] = before.topk(std::min(count + 1, before.size(-1)), -1);
  auto gaps = [](const at::Tensor& x) { return x.slice(-1, 0, x.size(-1) - 1) - x.slice(-1, 1); };
  auto was = gaps(best);
  auto counts = likely_gaps(best);
  auto shrunk = at::clamp_min(was - gaps(after.gather(-1, ids)), 0) / (was + kSoft);
  const double gap_count = number > 0 ? number : std::max(1.0, counts.sum().item<double>());
  return (shrunk * counts).sum() / gap_count;
}

}  // namespace emend
