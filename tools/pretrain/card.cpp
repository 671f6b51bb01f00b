// emend-card: evaluates the bundled model on held-out scenes, and writes the tables of EXAM.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>

#include "exam.h"
#include "io/files/file.h"
#include "io/runtime.h"
#include "training_batch.h"

namespace emend::pretrain {
namespace {

struct Score {
  int64_t asked = 0, majority = 0;
  std::array<int64_t, 3> right{};
};

std::string percent(int64_t part, int64_t whole) {
  return whole
             ? fmt::format("{:.1f}", 100.0 * static_cast<double>(part) / static_cast<double>(whole))
             : "-";
}

std::string evaluate(const std::string& folder, int64_t count, uint64_t seed) {
  auto vlm = load_vlm(folder);
  auto items = held_out(count, seed);
  std::array<Score, kExamined> scores;
  auto usual = usual_answers(40000, seed + 1);
  for (auto& item : items) {
    auto guess = usual.find(item.prompt);
    scores[item.subject].majority += guess != usual.end() && guess->second == item.answer;
  }
  std::string mistakes;
  std::array<int, kExamined> shown{};
  for (auto choice : {PictureChoice::own, PictureChoice::gray, PictureChoice::swapped}) {
    auto given = answers(vlm, items, choice);
    for (size_t i = 0; i < items.size(); ++i) {
      auto& item = items[i];
      bool right = given[i] == item.answer;
      scores[item.subject].right[static_cast<int>(choice)] += right;
      if (choice != PictureChoice::own) continue;
      ++scores[item.subject].asked;
      if (!right && shown[item.subject]++ < 2)
        mistakes += fmt::format("| {} | {} | {} | {} |\n", examined_name(item.subject), item.prompt,
                                item.answer, given[i]);
    }
    fmt::print(stderr, "{} of 3 picture conditions evaluated\n", static_cast<int>(choice) + 1);
  }
  auto text = fmt::format(
      "Greedy generation, exact match, {} questions per kind, seed {}.\n\n"
      "| kind | questions | correct | most frequent answer | gray picture | swapped picture |\n"
      "|---|---|---|---|---|---|\n",
      count, seed);
  for (int s = 0; s < kExamined; ++s) {
    auto& score = scores[s];
    bool text_only = s == static_cast<int>(scenes::Kind::fact);
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", examined_name(s), score.asked,
                        percent(score.right[0], score.asked), percent(score.majority, score.asked),
                        text_only ? "-" : percent(score.right[1], score.asked),
                        text_only ? "-" : percent(score.right[2], score.asked));
  }
  std::vector<Item> some;
  for (size_t i = 0; i < items.size(); i += 7)
    if (items[i].pictured) some.push_back(items[i]);
  text += fmt::format(
      "\nM-Locality of the model with itself after adding normal noise to every linear layer (1 % "
      "of its standard deviation): top-10 rank by rank {:.1f} %, top-1 {:.1f} % ({} prompts).\n",
      100 * noisy_locality(vlm, some, 0.01, 10, seed),
      100 * noisy_locality(vlm, some, 0.01, 1, seed), some.size());
  text += "\nExamples of wrong answers:\n\n| kind | prompt | truth | answer |\n|---|---|---|---|\n";
  for (size_t at = 0; (at = mistakes.find("\nPrompt:", at)) != std::string::npos;)
    mistakes.replace(at, 1, " / ");
  return text + mistakes;
}

}  // namespace
}  // namespace emend::pretrain

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  std::string folder = "models/scenes-blip2", out;
  int64_t count = 300;
  uint64_t seed = 7;
  int threads = 0;
  CLI::App app{"Evaluates the bundled model on held-out scenes and prints the tables of EXAM.md."};
  app.add_option("-m,--model", folder, "model folder");
  app.add_option("--count", count, "number of questions of each kind");
  app.add_option("--seed", seed, "random seed of the held-out scenes");
  app.add_option("-o,--out", out, "also write the tables to this file");
  app.add_option("-t,--threads", threads, "number of threads; 0: all cores");
  CLI11_PARSE(app, argc, argv);
  try {
    emend::set_threads(threads);
    auto tables = emend::pretrain::evaluate(folder, count, seed);
    fmt::print("{}", tables);
    if (!out.empty()) emend::write_file(out, tables);
  } catch (const std::exception& error) {
    fmt::print(stderr, "emend-card: {}\n", error.what());
    return 1;
  }
  return 0;
}
