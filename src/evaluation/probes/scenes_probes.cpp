#include "evaluation/probes/scenes_probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace emend {
namespace {

constexpr size_t kBatch = 16;
constexpr int kScenesTried = 400;  // all questions of Scenes occur earlier

std::shared_ptr<const Image> draw(const scenes::Scene& scene) {
  return std::make_shared<const Image>(scenes::render(scene));
}

template <typename T>
const T& pick_one(const std::vector<T>& all, scenes::Rng& rng) {
  return all[rng() % all.size()];
}

std::vector<std::string> wordings_among(const std::vector<scenes::Question>& questions,
                                        const std::string& text) {
  auto found = std::find_if(questions.begin(), questions.end(),
                            [&](const auto& question) { return question.text == text; });
  std::vector<std::string> others;
  if (found == questions.end()) return others;
  for (const auto& question : questions)
    if (question.topic == found->topic && question.text != text) others.push_back(question.text);
  return others;
}

}  // namespace

std::vector<std::string> other_wordings(const std::string& question) {
  for (auto split : {scenes::Split::pretrain, scenes::Split::train, scenes::Split::eval}) {
    auto others = wordings_among(scenes::facts(split), question);
    if (!others.empty()) return others;
  }
  scenes::Rng rng(0);
  for (int i = 0; i < kScenesTried; ++i) {
    auto others = wordings_among(
        scenes::questions(scenes::draw_scene(scenes::Split::pretrain, rng)), question);
    if (!others.empty()) return others;
  }
  return {};
}

void scenes_locality(int texts, int pictures, uint64_t seed, const std::set<std::string>& related,
                     const std::function<void(Probe)>& take) {
  scenes::Rng rng(seed);
  auto facts = scenes::facts(scenes::Split::eval);
  std::shuffle(facts.begin(), facts.end(), rng);
  for (const auto& fact : facts) {
    if (texts <= 0) break;
    if (related.count(fact.text)) continue;
    take({Group::text_locality, {}, fact.text, fact.answer});
    --texts;
  }
  for (int i = 0; i < pictures;) {
    auto scene = scenes::draw_scene(scenes::Split::eval, rng);
    const auto asked = pick_one(scenes::questions(scene), rng);
    if (related.count(asked.text)) continue;
    take({Group::image_locality, {"", draw(scene)}, asked.text, asked.answer});
    ++i;
  }
}

std::vector<Record> find_errors(const Vlm& vlm, const ErrorSearch& search, const Protocol& protocol,
                                size_t* asked) {
  struct Candidate {
    scenes::Scene scene;
    scenes::Question question;
  };
  std::vector<Record> records;
  scenes::Rng rng(search.seed);
  size_t put = 0;
  GenerationOptions options;
  options.max_new_tokens = protocol.max_new_tokens;
  while (records.size() < search.count && put < search.limit) {
    std::vector<Candidate> candidates;
    std::vector<Query> queries;
    for (size_t i = 0; i < std::min(kBatch, search.limit - put); ++i) {
      auto scene = scenes::draw_scene(search.split, rng);
      auto question = pick_one(scenes::questions(scene), rng);
      Record record;
      record.prompt = question.text;
      queries.push_back({scenes::render(scene), edit_prompt(protocol, record)});
      candidates.push_back({std::move(scene), std::move(question)});
    }
    auto answers = generate(vlm, queries, {}, options);
    put += queries.size();
    for (size_t i = 0; i < answers.size() && records.size() < search.count; ++i) {
      const auto& [scene, question] = candidates[i];
      if (same_answer(answers[i], question.answer)) continue;
      auto record =
          scenes::make_record(scene, question, question.answer, search.split, rng(), search.probes);
      record.before = answers[i];
      records.push_back(std::move(record));
    }
  }
  if (asked) *asked = put;
  return records;
}

}  // namespace emend
