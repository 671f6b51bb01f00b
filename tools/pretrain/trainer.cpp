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

// Logits at the positions of the lessons' targets: (K, V).
at::Tensor answer(const Model& model, Pass& pass, const Lessons& lessons) {
  auto width = pass.ids.size(1);
  pass.logit_positions =
      at::tensor(lessons.row_of, at::kLong) * width + at::tensor(lessons.position_of, at::kLong);
  model.run(pass);
  return pass.logits();
}

std::vector<bool> judge(const at::Tensor& logits, const Lessons& lessons) {
  auto best = logits.detach().argmax(-1);
  auto* token = best.data_ptr<int64_t>();
  std::vector<bool> right;
  for (auto& asked : lessons.asked) {
    bool all = true;
    for (auto i = asked.begin; i < asked.end; ++i) all &= token[i] == lessons.targets[i];
    right.push_back(all);
  }
  return right;
}

void count(Marks& marks, const std::vector<Asked>& asked, const std::vector<bool>& right) {
  for (size_t i = 0; i < asked.size(); ++i) {
    marks.seen[asked[i].subject] += 1;
    marks.right[asked[i].subject] += right[i];
  }
}

Marks marks_of(const Heads::Loss& aux) {
  Marks marks;
  marks.patches = aux.patches.item<double>();
  marks.queries = aux.queries.item<double>();
  marks.places_right = aux.places_right;
  marks.shapes_right = aux.shapes_right;
  marks.creatures_right = aux.creatures_right;
  return marks;
}

// Joins the questions of two batches whose logits are concatenated.
Lessons joined(Lessons first, const Lessons& second) {
  auto shift = first.targets.size();
  first.targets.insert(first.targets.end(), second.targets.begin(), second.targets.end());
  first.weights.insert(first.weights.end(), second.weights.begin(), second.weights.end());
  for (auto asked : second.asked) {
    asked.begin += shift;
    asked.end += shift;
    first.asked.push_back(std::move(asked));
  }
  return first;
}

}  // namespace

void Marks::add(const Marks& other) {
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

void Marks::average(double over) {
  for (auto* sum : {&loss, &patches, &queries, &places_right, &shapes_right, &creatures_right})
    *sum /= over;
}

std::string Marks::line() const {
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
    teachers_.emplace_back(tokenizer, model.image_slots(), scenes::Split::pretrain);
}

Heads::Loss Trainer::look(Pass& pass, const std::vector<const scenes::Scene*>& shown,
                          Legible legible) const {
  pass.batched_pictures = true;
  model_.run(pass, model_.stage("vision_tower.norm"));
  auto vision = pass.hidden;
  model_.run(pass, model_.stage("connector.project") - 1);
  return heads_.loss(vision, pass.hidden, shown, legible);
}

at::Tensor Trainer::look_in_part(Legible legible, int64_t pictures, Teacher& teacher,
                                 scenes::Rng& rng) const {
  std::vector<int64_t> indices;
  std::vector<const scenes::Scene*> shown;
  Lessons unasked;
  for (int64_t i = 0; i < pictures; ++i) {
    indices.push_back(below(rng, pool_.size()));
    shown.push_back(&pool_.scene(indices.back()));
    teacher.ask(unasked, {}, i);
  }
  auto whole = pool_.pictures(indices);
  auto part = legible == Legible::forms ? tinted(whole, rng) : scattered(relit(whole, rng), rng);
  auto pass = model_.collate({normalised(part), unasked.rows});
  auto loss = look(pass, shown, legible);
  return loss.patches + loss.queries;
}

Trainer::Share Trainer::learn(uint64_t seed, int64_t pictures, int64_t text_rows,
                              Teacher& teacher) {
  bool speaking = steps_ >= recipe_.look_steps;
  scenes::Rng rng(seed);
  std::vector<int64_t> indices;
  std::vector<const scenes::Scene*> shown;
  for (int64_t i = 0; i < pictures; ++i) {
    indices.push_back(below(rng, pool_.size()));
    shown.push_back(&pool_.scene(indices.back()));
  }
  Lessons seen, read;
  for (int64_t i = 0; i < pictures; ++i)
    teacher.teach_picture(seen, *shown[i], i, speaking ? recipe_.tokens : 0, mix_, rng);
  for (int64_t i = 0; i < text_rows; ++i) teacher.teach_text(read, recipe_.tokens, rng);

  Share share;
  auto pass = model_.collate({normalised(relit(pool_.pictures(indices), rng)), seen.rows});
  auto aux = look(pass, shown, Legible::all);
  share.marks = marks_of(aux);
  auto parts = look_in_part(Legible::forms, pictures / 4, teacher, rng) +
               look_in_part(Legible::colours, pictures / 4, teacher, rng);
  auto loss = (aux.patches + aux.queries + 0.5 * parts) * (speaking ? recipe_.heads_weight : 1.0);

  // Text is trained from the first step, because it does not need the vision part.
  auto text = model_.collate({{}, read.rows});
  auto logits = answer(model_, text, read);
  auto lessons = read;
  if (speaking) {
    logits = at::cat({answer(model_, pass, seen), logits});
    lessons = joined(seen, read);
  }
  auto weights = at::tensor(lessons.weights).to(at::kFloat);
  auto each = at::cross_entropy_loss(logits, at::tensor(lessons.targets, at::kLong), {},
                                     at::Reduction::None);
  auto language = (each * weights).sum() / weights.sum();
  share.marks.loss = language.item<double>();
  share.right = judge(logits, lessons);
  share.asked = lessons.asked;
  count(share.marks, share.asked, share.right);
  loss = loss + language;
  share.grads = torch::autograd::grad({loss}, optimizer_.parameters(), {}, c10::nullopt, false,
                                      /*allow_unused=*/true);
  return share;
}

Marks Trainer::step(double lr) {
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
            learn(seed, recipe_.pictures / threads, recipe_.text_rows / threads, teachers_[t]);
      } catch (...) {
        failures[t] = std::current_exception();
      }
    });
  for (auto& worker : workers) worker.join();
  for (auto& failure : failures)
    if (failure) std::rethrow_exception(failure);

  Marks marks;
  auto grads = shares[0].grads;
  for (int t = 0; t < threads; ++t) {
    marks.add(shares[t].marks);
    mix_.observe(shares[t].asked, shares[t].right);
    for (size_t i = 0; t > 0 && i < grads.size(); ++i) {
      auto& other = shares[t].grads[i];
      if (other.defined()) grads[i] = grads[i].defined() ? grads[i] + other : other;
    }
  }
  for (auto& grad : grads)
    if (grad.defined()) grad.div_(threads);
  marks.average(threads);
  optimizer_.step(grads, lr, recipe_.weight_decay, recipe_.clip);
  // Every step renders a few new entries of the pool, so that no picture is used forever.
  for (int64_t i = 0; i < recipe_.pictures / 8; ++i) {
    auto seed = ::emend::mix(recipe_.seed + 77 + ::emend::mix(steps_ * 1000 + i));
    pool_.redraw(static_cast<int64_t>(seed % pool_.size()), seed);
  }
  ++steps_;
  return marks;
}

Marks Trainer::examine(const Pool& held_out, int64_t pictures) const {
  at::NoGradGuard no_grad;
  Teacher teacher(tokenizer_, model_.image_slots(), scenes::Split::eval);
  scenes::Rng rng(recipe_.seed + 4242);
  Mix even;
  Marks marks;
  int64_t batches = 0;
  for (int64_t from = 0; from < pictures; from += recipe_.pictures, ++batches) {
    std::vector<int64_t> indices;
    std::vector<const scenes::Scene*> shown;
    Lessons lessons;
    for (int64_t i = from; i < from + recipe_.pictures; ++i) {
      indices.push_back(i % held_out.size());
      shown.push_back(&held_out.scene(indices.back()));
      teacher.teach_picture(lessons, *shown.back(), i - from, 120, even, rng);
    }
    for (int i = 0; i < 8; ++i) teacher.teach_text(lessons, 120, rng);
    auto pass = model_.collate({normalised(held_out.pictures(indices)), lessons.rows});
    auto batch = marks_of(look(pass, shown, Legible::all));
    auto logits = answer(model_, pass, lessons);
    batch.loss =
        at::cross_entropy_loss(logits, at::tensor(lessons.targets, at::kLong)).item<double>();
    count(batch, lessons.asked, judge(logits, lessons));
    marks.add(batch);
  }
  marks.average(static_cast<double>(batches));
  return marks;
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
