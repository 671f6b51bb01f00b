#include "training_batch.h"

#include <cmath>

#include "suites/random.h"

namespace emend::pretrain {

using scenes::Kind;
using scenes::Question;
using scenes::Rng;

namespace {

double uniform(Rng& rng) { return static_cast<double>(rng() >> 11) * 0x1p-53; }
bool chance(Rng& rng, double p) { return uniform(rng) < p; }

// Answers of the same form, so that a fact in the context can contradict the truth.
std::string other_answer(const Question& question, Rng& rng) {
  auto others = scenes::alternatives(question);
  return others.empty() ? question.answer : pick(others, rng);
}

}  // namespace

std::string subject_name(int subject) {
  return subject == kCorrection ? "correction" : scenes::kind_name(static_cast<Kind>(subject));
}

double Mix::weight(int subject) const {
  // A minimum keeps what was learned; the rest goes to subjects with wrong answers.
  return 0.15 + error[subject];
}

void Mix::observe(const std::vector<BatchQuestion>& questions, const std::vector<bool>& right) {
  std::array<int, kSubjects> seen{}, wrong{};
  for (size_t i = 0; i < questions.size(); ++i) {
    ++seen[questions[i].subject];
    wrong[questions[i].subject] += !right[i];
  }
  for (int s = 0; s < kSubjects; ++s) {
    if (!seen[s]) continue;
    double keep = std::pow(0.995, seen[s]);
    error[s] = keep * error[s] + (1 - keep) * wrong[s] / seen[s];
  }
}

BatchMaker::BatchMaker(const Tokenizer& tokenizer, int64_t num_image_tokens, scenes::Split split)
    : tokenizer_(tokenizer),
      num_image_tokens_(num_image_tokens),
      bos_(tokenizer.id("</s>").value()),
      eos_(bos_),
      facts_(scenes::facts(split)) {}

const std::vector<int64_t>& BatchMaker::tokens(const std::string& text) {
  auto [it, fresh] = cache_.try_emplace(text);
  if (fresh) it->second = tokenizer_.encode(text, false);
  return it->second;
}

std::string BatchMaker::wrapped(const Question& question, Rng& rng) const {
  if (question.kind == Kind::caption) return question.text;
  auto& templates = scenes::prompt_templates();
  // Half of the questions use the first template of the benchmarks, the others another one.
  size_t which = chance(rng, 0.5) ? 0 : below(rng, templates.size());
  return scenes::wrap(templates[which], question.text);
}

BatchMaker::Exercise BatchMaker::corrected(const std::vector<const Question*>& pool,
                                           const Question& question, Rng& rng) const {
  auto same_form = below(rng, scenes::prompt_templates().size());
  auto form = [&](const Question& q) {
    return q.kind == Kind::caption ? q.text
                                   : scenes::wrap(scenes::prompt_templates()[same_form], q.text);
  };
  std::vector<const Question*> same, other;
  for (auto* q : pool) (q->topic == question.topic ? same : other).push_back(q);
  bool about_this = other.empty() || chance(rng, 0.6);
  const Question& told = about_this ? *pick(same, rng) : *pick(other, rng);
  auto answer = other_answer(told, rng);
  return {kCorrection, scenes::correction(form(told), answer, form(question)),
          about_this ? answer : question.answer};
}

void BatchMaker::add_picture_row(TrainingBatch& batch, const scenes::Scene& scene, int64_t image,
                                 int64_t tokens, const Mix& mix, Rng& rng) {
  auto all = scenes::questions(scene);
  std::array<std::vector<const Question*>, kSubjects> by_kind;
  std::vector<const Question*> pool;
  for (auto& q : all) {
    by_kind[static_cast<int>(q.kind)].push_back(&q);
    if (q.kind != Kind::caption) pool.push_back(&q);
  }
  std::array<double, kSubjects> weights{};
  double total = 0;
  for (int s = 0; s < kSubjects; ++s)
    if (s == kCorrection || !by_kind[s].empty()) total += weights[s] = mix.weight(s);

  std::vector<Exercise> exercises;
  while (tokens > 0) {
    double at = uniform(rng) * total;
    int subject = 0;
    while (subject < kSubjects - 1 && (at -= weights[subject]) >= 0) ++subject;
    Exercise exercise;
    if (subject == kCorrection) {
      exercise = corrected(pool, *pick(pool, rng), rng);
    } else {
      auto& q = *pick(by_kind[subject], rng);
      exercise = {subject, wrapped(q, rng), q.answer};
    }
    tokens -= length(exercise);
    // The last question is dropped if it does not fit, but every row has at least one.
    if (tokens >= 0 || exercises.empty()) exercises.push_back(std::move(exercise));
  }
  append(batch, exercises, image);
}

void BatchMaker::add_text_row(TrainingBatch& batch, int64_t tokens, Rng& rng) {
  std::vector<Exercise> exercises;
  while (tokens > 0) {
    auto& q = pick(facts_, rng);
    Exercise exercise;
    if (chance(rng, 0.25)) {
      // Related facts and a few unrelated ones are enough to choose from.
      std::vector<const Question*> pool{&q};
      for (auto& f : facts_)
        if (f.topic == q.topic) pool.push_back(&f);
      for (int i = 0; i < 8; ++i) pool.push_back(&pick(facts_, rng));
      exercise = corrected(pool, q, rng);
    } else {
      exercise = {static_cast<int>(Kind::fact), wrapped(q, rng), q.answer};
    }
    tokens -= length(exercise);
    if (tokens >= 0 || exercises.empty()) exercises.push_back(std::move(exercise));
  }
  append(batch, exercises, -1);
}

int64_t BatchMaker::length(const Exercise& exercise) {
  return static_cast<int64_t>(tokens(exercise.prompt).size() +
                              tokens(" " + exercise.answer).size());
}

void BatchMaker::ask(TrainingBatch& batch, const std::vector<Question>& questions, int64_t image) {
  std::vector<Exercise> exercises;
  for (auto& q : questions) {
    auto prompt =
        q.kind == Kind::caption ? q.text : scenes::wrap(scenes::prompt_templates()[0], q.text);
    exercises.push_back({static_cast<int>(q.kind), prompt, q.answer});
  }
  append(batch, exercises, image);
}

void BatchMaker::append(TrainingBatch& batch, const std::vector<Exercise>& exercises,
                        int64_t image) {
  Row row;
  if (image >= 0) {
    row.images = {image};
    row.ids.assign(num_image_tokens_, kImageToken);
  }
  row.ids.push_back(bos_);
  row.segments.assign(row.ids.size(), 0);
  auto number = static_cast<int64_t>(batch.rows.size());
  int64_t segment = 0;
  for (auto& exercise : exercises) {
    ++segment;
    auto begin = batch.targets.size();
    for (auto id : tokens(exercise.prompt)) row.ids.push_back(id);
    for (auto id : tokens(" " + exercise.answer)) {
      batch.row_of.push_back(number);
      batch.position_of.push_back(static_cast<int64_t>(row.ids.size()) - 1);
      batch.targets.push_back(id);
      row.ids.push_back(id);
    }
    batch.row_of.push_back(number);
    batch.position_of.push_back(static_cast<int64_t>(row.ids.size()) - 1);
    batch.targets.push_back(eos_);
    row.segments.resize(row.ids.size(), segment);
    // A compromise between equal weights of tokens and equal weights of questions, because captions
    // are long.
    auto length = static_cast<double>(batch.targets.size() - begin);
    batch.weights.resize(batch.targets.size(), 1 / std::sqrt(length));
    batch.questions.push_back(
        {exercise.subject, begin, batch.targets.size(), exercise.prompt, exercise.answer});
  }
  batch.rows.push_back(std::move(row));
}

}  // namespace emend::pretrain
