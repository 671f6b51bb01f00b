// Prints the text of pretraining, one entry per line, to train the tokenizer.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/scenes.h"

namespace {

using namespace emend;
using namespace emend::scenes;

void print(const std::string& prompt, const std::string& answer) {
  std::printf("%s %s\n", prompt.c_str(), answer.c_str());
}

std::string phrased(const Question& question, Rng& rng) {
  if (question.kind == Kind::caption) return question.text;
  return wrap(pick(prompt_templates(), rng), question.text);
}

// Every word of every split must have tokens, so the text contains the questions of all splits.
void dump(int count, uint64_t seed) {
  Rng rng(seed);
  auto text = facts(Split::pretrain);
  for (int i = 0; i < count; ++i) {
    auto scene = draw_scene(Split::pretrain, rng);
    for (auto kind : kinds(scene)) {
      auto question = draw_question(scene, kind, rng);
      print(phrased(question, rng), question.answer);
      if (below(rng, 4) == 0) {
        auto others = alternatives(question);
        if (others.empty()) continue;
        const auto& answer = pick(others, rng);
        print(correction(question.text, answer, phrased(question, rng)), answer);
      }
    }
    for (int k = 0; k < 3; ++k) {
      const auto& fact = pick(text, rng);
      print(phrased(fact, rng), fact.answer);
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  int count = argc > 1 ? std::atoi(argv[1]) : 20000;
  if (count <= 0)
    throw Error("emend-corpus", "the number of scenes must be positive",
                "usage: emend-corpus [SCENES] [SEED]");
  dump(count, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
