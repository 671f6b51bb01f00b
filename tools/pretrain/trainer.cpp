#include "trainer.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <thread>

#include "io/tensors/safetensors.h"
#include "suites/random.h"

namespace emend::pretrain {
namespace {

std::map<std::string, at::Tensor> joined(const Model& model, const Heads& heads) {
  auto all = model.parameters();
  for (auto& [name, tensor] : heads.parameters()) all[name] = tensor;
  return all;
}

// Logits at the positions of the batch' targets: (K, V).
at::Tensor answer(const Model& model, Pass& pass, const TrainingBatch& batch) {
  auto width = pass.ids.size(1);
  pass.logit_positions =
      at::tensor(batch.row_of, at::kLong) * width + at::tensor(batch.position_of, at::kLong);
  model.run(pass);
  return pass.logits();
}

std::vector<bool> judge(const at::Tensor& logits, const TrainingBatch& batch) {
  auto best = logits.detach().argmax(-1);
  auto* token = best.data_ptr<int64_t>();
  std::vector<bool> right;
  for (const auto& question : batch.questions) {
    bool all = true;
    for (auto i = question.begin; i < question.end; ++i) all &= token[i] == batch.targets[i];
    right.push_back(all);
  }
  return right;
}

void count(StepResult& result, const std::vector<BatchQuestion>& questions,
           const std::vector<bool>& right) {
  for (size_t i = 0; i < questions.size(); ++i) {
    result.seen[questions[i].subject] += 1;
    result.right[questions[i].subject] += right[i];
  }
}

StepResult result_of(const Heads::Loss& aux) {
  StepResult result;
  result.patches = aux.patches.item<double>();
  result.queries = aux.queries.item<double>();
  result.places_right = aux.places_right;
  result.shapes_right = aux.shapes_right;
  result.creatures_right = aux.creatures_right;
  return result;
}

// Joins the questions of two batches whose logits are concatenated.
TrainingBatch joined(TrainingBatch first, const TrainingBatch& second) {
  auto shift = first.targets.size();
  first.targets.insert(first.targets.end(), second.targets.begin(), second.targets.end());
  first.weights.insert(first.weights.end(), second.weights.begin(), second.weights.end());
  for (auto question : second.questions) {
    question.begin += shift;
    question.end += shift;
    first.questions.push_back(std::move(question));
  }
  return first;
}

}  // namespace

void StepResult::add(const StepResult& other) {
  loss += other.loss;
  patches += other.patches;
  queries += other.queries;
  places_right += other.places_right;
  shapes_right += other.shapes_right;
  creatures_right += other.creatures_right;
  for (int s = 0; s < kSubjects; ++s) {
    right[s] += other.right[s];
    seen[s] += other.seen[s];
  }
}

void StepResult::average(double over) {
  for (auto* sum : {&loss, &patches, &queries, &places_right, &shapes_right, &creatures_right})
    *sum /= over;
}

std::string StepResult::line() const {
  auto text = fmt::format(
      "loss {:.3f} patches {:.3f} queries {:.3f} places {:.1f}% shapes {:.1f}% creatures {:.1f}%",
      loss, patches, queries, 100 * places_right, 100 * shapes_right, 100 * creatures_right);
  for (int s = 0; s < kSubjects; ++s)
    if (seen[s] > 0) text += fmt::format(" {} {:.1f}", subject_name(s), 100 * right[s] / seen[s]);
  return text;
}

Trainer::Trainer(Model& model, Heads& heads, const Tokenizer& tokenizer, Pool& pool,
                 const Recipe& recipe)
    : model_(model),
      heads_(heads),
      tokenizer_(tokenizer),
      pool_(pool),
      recipe_(recipe),
      optimizer_(joined(model, heads)) {
  for (int t = 0; t < recipe.threads; ++t)
    makers_.emplace_back(tokenizer, model.num_image_tokens(), scenes::Split::pretrain);
}

Heads::Loss Trainer::look(Pass& pass, const std::vector<const scenes::Scene*>& shown,
                          HeadTargets targets) const {
  pass.batched_pictures = true;
  model_.run(pass, model_.stage("vision_tower.norm"));
  auto vision = pass.hidden;
  model_.run(pass, model_.stage("connector.project") - 1);
  return heads_.loss(vision, pass.hidden, shown, targets);
}

at::Tensor Trainer::look_in_part(HeadTargets targets, int64_t pictures, BatchMaker& maker,
                                 scenes::Rng& rng) const {
  std::vector<int64_t> indices;
  std::vector<const scenes::Scene*> shown;
  TrainingBatch prompts;
  for (int64_t i = 0; i < pictures; ++i) {
    indices.push_back(below(rng, pool_.size()));
    shown.push_back(&pool_.scene(indices.back()));
    maker.ask(prompts, {}, i);
  }
  auto whole = pool_.pictures(indices);
  auto part = targets == HeadTargets::shapes ? tint(whole, rng)
                                             : shuffle_tiles(vary_light(whole, rng), rng);
  auto pass = model_.collate({normalized(part), prompts.rows});
  auto loss = look(pass, shown, targets);
  return loss.patches + loss.queries;
}

Trainer::Share Trainer::learn(uint64_t seed, int64_t pictures, int64_t text_rows,
                              BatchMaker& maker) {
  bool speaking = steps_ >= recipe_.look_steps;
  scenes::Rng rng(seed);
  std::vector<int64_t> indices;
  std::vector<const scenes::Scene*> shown;
  for (int64_t i = 0; i < pictures; ++i) {
    indices.push_back(below(rng, pool_.size()));
    shown.push_back(&pool_.scene(indices.back()));
  }
  TrainingBatch seen, read;
  for (int64_t i = 0; i < pictures; ++i)
    maker.add_picture_row(seen, *shown[i], i, speaking ? recipe_.tokens : 0, mix_, rng);
  for (int64_t i = 0; i < text_rows; ++i) maker.add_text_row(read, recipe_.tokens, rng);

  Share share;
  auto pass = model_.collate({normalized(vary_light(pool_.pictures(indices), rng)), seen.rows});
  auto aux = look(pass, shown, HeadTargets::all);
  share.result = result_of(aux);
  auto parts = look_in_part(HeadTargets::shapes, pictures / 4, maker, rng) +
               look_in_part(HeadTargets::colors, pictures / 4, maker, rng);
  auto loss = (aux.patches + aux.queries + 0.5 * parts) * (speaking ? recipe_.heads_weight : 1.0);

  // Text is trained from the first step, because it does not need the vision part.
  auto text = model_.collate({{}, read.rows});
  auto logits = answer(model_, text, read);
  auto batch = read;
  if (speaking) {
    logits = at::cat({answer(model_, pass, seen), logits});
    batch = joined(seen, read);
  }
  auto weights = at::tensor(batch.weights).to(at::kFloat);
  auto each =
      at::cross_entropy_loss(logits, at::tensor(batch.targets, at::kLong), {}, at::Reduction::None);
  auto language = (each * weights).sum() / weights.sum();
  share.result.loss = language.item<double>();
  share.right = judge(logits, batch);
  share.questions = batch.questions;
  count(share.result, share.questions, share.right);
  loss = loss + language;
  share.grads = torch::autograd::grad({loss}, optimizer_.parameters(), {}, c10::nullopt, false,
                                      /*allow_unused=*/true);
  return share;
}

StepResult Trainer::step(double lr) {
  auto threads = recipe_.threads;
  std::vector<Share> shares(threads);
  std::vector<std::thread> workers;
  std::vector<std::exception_ptr> failures(threads);
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      try {
        at::set_num_threads(1);
        auto seed = ::emend::mix(recipe_.seed * 0x9e37 + ::emend::mix(steps_ * threads + t));
        shares[t] =
            learn(seed, recipe_.pictures / threads, recipe_.text_rows / threads, makers_[t]);
      } catch (...) {
        failures[t] = std::current_exception();
      }
    });
  for (auto& worker : workers) worker.join();
  for (auto& failure : failures)
    if (failure) std::rethrow_exception(failure);

  StepResult result;
  auto grads = shares[0].grads;
  for (int t = 0; t < threads; ++t) {
    result.add(shares[t].result);
    mix_.observe(shares[t].questions, shares[t].right);
    for (size_t i = 0; t > 0 && i < grads.size(); ++i) {
      auto& other = shares[t].grads[i];
      if (other.defined()) grads[i] = grads[i].defined() ? grads[i] + other : other;
    }
  }
  for (auto& grad : grads)
    if (grad.defined()) grad.div_(threads);
  result.average(threads);
  optimizer_.step(grads, lr, recipe_.weight_decay, recipe_.clip);
  // Every step renders a few new entries of the pool, so that no picture is used forever.
  for (int64_t i = 0; i < recipe_.pictures / 8; ++i) {
    auto seed = ::emend::mix(recipe_.seed + 77 + ::emend::mix(steps_ * 1000 + i));
    pool_.redraw(static_cast<int64_t>(seed % pool_.size()), seed);
  }
  ++steps_;
  return result;
}

StepResult Trainer::evaluate(const Pool& held_out, int64_t pictures) const {
  at::NoGradGuard no_grad;
  BatchMaker maker(tokenizer_, model_.num_image_tokens(), scenes::Split::eval);
  scenes::Rng rng(recipe_.seed + 4242);
  Mix even;
  StepResult result;
  int64_t batches = 0;
  for (int64_t from = 0; from < pictures; from += recipe_.pictures, ++batches) {
    std::vector<int64_t> indices;
    std::vector<const scenes::Scene*> shown;
    TrainingBatch batch;
    for (int64_t i = from; i < from + recipe_.pictures; ++i) {
      indices.push_back(i % held_out.size());
      shown.push_back(&held_out.scene(indices.back()));
      maker.add_picture_row(batch, *shown.back(), i - from, 120, even, rng);
    }
    for (int i = 0; i < 8; ++i) maker.add_text_row(batch, 120, rng);
    auto pass = model_.collate({normalized(held_out.pictures(indices)), batch.rows});
    auto part = result_of(look(pass, shown, HeadTargets::all));
    auto logits = answer(model_, pass, batch);
    part.loss = at::cross_entropy_loss(logits, at::tensor(batch.targets, at::kLong)).item<double>();
    count(part, batch.questions, judge(logits, batch));
    result.add(part);
  }
  result.average(static_cast<double>(batches));
  return result;
}

void Trainer::save(const std::string& path) const {
  auto state = optimizer_.state();
  state.emplace_back("trained", at::full({1}, steps_, at::kLong));
  state.emplace_back("mix", at::tensor(std::vector<double>(mix_.error.begin(), mix_.error.end())));
  write_safetensors(path, state);
}

void Trainer::resume(const std::string& path) {
  auto file = SafetensorsFile::open(path);
  std::map<std::string, at::Tensor> state;
  for (auto& [name, info] : file->tensors()) state[name] = file->tensor(name);
  if (state.count("trained")) steps_ = state["trained"].item<int64_t>();
  if (state.count("mix"))
    for (int s = 0; s < kSubjects; ++s) mix_.error[s] = state["mix"][s].item<double>();
  state.erase("trained");
  state.erase("mix");
  optimizer_.restore(state);
}

}  // namespace emend::pretrain
