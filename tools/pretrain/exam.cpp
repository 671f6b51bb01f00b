#include "exam.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "suites/random.h"
#include "training_batch.h"

namespace emend::pretrain {

using scenes::Kind;
using scenes::Question;
using scenes::Rng;
using scenes::Split;

namespace {

constexpr size_t kBatch = 32;

std::string prompt_of(const Question& question) {
  return question.kind == Kind::caption
             ? question.text
             : scenes::wrap(scenes::prompt_templates()[0], question.text);
}

// A question after a false fact in the context: about the same fact in other words, or about
// another one.
Item told(const scenes::Scene& scene, bool related, Rng& rng) {
  auto all = scenes::questions(scene);
  std::vector<const Question*> askable;
  for (auto& q : all)
    if (q.kind != Kind::caption && !scenes::alternatives(q).empty()) askable.push_back(&q);
  auto& asked = *pick(askable, rng);
  std::vector<const Question*> tellable;
  for (auto& q : all)
    if (related
            ? q.topic == asked.topic && q.wording != asked.wording
            : q.topic != asked.topic && q.kind != Kind::caption && !scenes::alternatives(q).empty())
      tellable.push_back(&q);
  auto& fact = tellable.empty() ? asked : *pick(tellable, rng);
  auto answer = pick(scenes::alternatives(fact), rng);
  Item item;
  item.subject = related ? kCorrection : kUnrelated;
  item.prompt = scenes::correction(prompt_of(fact), answer, prompt_of(asked));
  item.answer = related ? answer : asked.answer;
  return item;
}

Query query_of(const Item& item, PictureChoice choice) {
  if (!item.pictured) return {std::nullopt, item.prompt};
  if (choice == PictureChoice::own) return {item.picture, item.prompt};
  if (choice == PictureChoice::swapped) return {item.other, item.prompt};
  Image gray = item.picture;
  std::fill(gray.rgb.begin(), gray.rgb.end(), uint8_t{128});
  return {gray, item.prompt};
}

}  // namespace

std::string examined_name(int subject) {
  return subject == kUnrelated ? "unrelated correction" : subject_name(subject);
}

std::vector<Item> held_out(int64_t count, uint64_t seed) {
  std::vector<Item> items;
  Rng rng(seed);
  auto other = [&] { return scenes::render(scenes::draw_scene(Split::eval, rng)); };
  for (int subject = 0; subject < kExamined; ++subject) {
    if (subject == static_cast<int>(Kind::fact)) continue;
    for (int64_t i = 0; i < count; ++i) {
      auto scene = scenes::draw_scene(Split::eval, rng);
      Item item;
      if (subject >= kCorrection) {
        item = told(scene, subject == kCorrection, rng);
      } else {
        auto kind = static_cast<Kind>(subject);
        for (auto has = scenes::kinds(scene); std::find(has.begin(), has.end(), kind) == has.end();
             has = scenes::kinds(scene))
          scene = scenes::draw_scene(Split::eval, rng);
        auto question = scenes::draw_question(scene, kind, rng);
        item.subject = subject;
        item.prompt = prompt_of(question);
        item.answer = question.answer;
      }
      item.picture = scenes::render(scene);
      item.other = other();
      items.push_back(std::move(item));
    }
  }
  for (auto& fact : scenes::facts(Split::eval)) {
    Item item;
    item.subject = static_cast<int>(Kind::fact);
    item.pictured = false;
    item.prompt = prompt_of(fact);
    item.answer = fact.answer;
    items.push_back(std::move(item));
  }
  return items;
}

std::map<std::string, std::string> usual_answers(int64_t count, uint64_t seed) {
  std::map<std::string, std::map<std::string, int64_t>> counts;
  Rng rng(seed);
  for (int64_t i = 0; i < count; ++i) {
    auto scene = scenes::draw_scene(Split::pretrain, rng);
    for (auto kind : scenes::kinds(scene)) {
      auto question = scenes::draw_question(scene, kind, rng);
      ++counts[prompt_of(question)][question.answer];
    }
  }
  std::map<std::string, std::string> usual;
  for (auto& [prompt, answers] : counts)
    usual[prompt] = std::max_element(answers.begin(), answers.end(), [](auto& a, auto& b) {
                      return a.second < b.second;
                    })->first;
  return usual;
}

std::vector<std::string> answers(const Vlm& vlm, const std::vector<Item>& items,
                                 PictureChoice choice) {
  std::vector<std::string> all;
  for (size_t from = 0; from < items.size(); from += kBatch) {
    std::vector<Query> queries;
    for (size_t i = from; i < std::min(items.size(), from + kBatch); ++i)
      queries.push_back(query_of(items[i], choice));
    GenerationOptions options;
    options.max_new_tokens = 40;
    for (auto& answer : generate(vlm, queries, {}, options)) all.push_back(std::move(answer));
  }
  return all;
}

double noisy_locality(const Vlm& vlm, const std::vector<Item>& items, double share, int64_t k,
                      uint64_t seed) {
  at::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  Interventions noise;
  for (auto& site : vlm.model->sites()) {
    auto weight = vlm.model->weight(site).to(at::kFloat);
    auto act = Intervention::weight(
        site.name, {at::randn(weight.sizes(), generator) * (weight.std() * share), {}, {}});
    noise.push_back(std::move(act));
  }
  double same = 0, all = 0;
  for (size_t from = 0; from < items.size(); from += kBatch) {
    std::vector<Query> queries;
    std::vector<std::string> targets;
    for (size_t i = from; i < std::min(items.size(), from + kBatch); ++i) {
      queries.push_back(query_of(items[i], PictureChoice::own));
      targets.push_back(" " + items[i].answer);
    }
    auto before = teacher_force(vlm, queries, targets);
    auto after = teacher_force(vlm, queries, targets, noise);
    for (size_t i = 0; i < before.size(); ++i) {
      auto ranked = [&](const ForcedRow& row) { return std::get<1>(row.logits.topk(k, -1)); };
      auto agree = ranked(before[i]).eq(ranked(after[i]));
      same += agree.sum().item<double>();
      all += static_cast<double>(agree.numel());
    }
  }
  return same / all;
}

}  // namespace emend::pretrain
