// Counts how many edits with arbitrary targets hold: the edited model generates exactly the target.
//   emend-edit-targets --count 500 --editors ft,lora --seed 1
// Exits with 1 if an editor holds on fewer than --least percent of the targets.

#include "evaluation/edits/edit_targets.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <map>

#include "editing/registry.h"
#include "editing/settings/settings_file.h"

namespace emend {
namespace {

struct Count {
  int64_t edits = 0, hold = 0, agree = 0, steps = 0;
  double seconds = 0;

  void add(const Count& other) {
    edits += other.edits;
    hold += other.hold;
    agree += other.agree;
    steps += other.steps;
    seconds += other.seconds;
  }
  double per_cent() const { return 100.0 * static_cast<double>(hold) / static_cast<double>(edits); }
};

std::string line(const std::string& editor, const std::string& kind, const Count& count) {
  const auto edits = static_cast<double>(count.edits);
  return fmt::format("{:<16}{:<13}{:>5} of {:<5}{:>6.1f} %{:>8.1f} steps{:>8.2f} s\n", editor, kind,
                     count.hold, count.edits, count.per_cent(),
                     static_cast<double>(count.steps) / edits, count.seconds / edits);
}

Count attempt(const Vlm& vlm, const Editor& editor, const TargetRequest& request, bool verbose,
              const std::string& label) {
  const auto begin = std::chrono::steady_clock::now();
  const auto patch = editor.edit(vlm, {request.edit});
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const Query query{request.edit.image.load(), request.edit.prompt};
  const auto answer = generate(vlm, {query}, patch.interventions(vlm)).at(0);
  const bool holds = answer == request.answer;
  const bool agrees = holds == patch.effect["holds"].get<bool>();
  if (verbose || !holds || !agrees)
    std::cout << fmt::format("{} {}: '{}' -> '{}' ({} steps, loss {:.3g} -> {:.3g}, {}) {}\n",
                             label, request.kind, request.answer, answer,
                             patch.effect["steps"].get<int64_t>(),
                             patch.effect["loss_before"].get<double>(),
                             patch.effect["loss_after"].get<double>(),
                             patch.effect["stop_reason"].get<std::string>(),
                             patch.effect["failed_tokens"].dump())
              << std::flush;
  return {1, holds, agrees, patch.effect["steps"].get<int64_t>(), taken.count()};
}

int run(int argc, char** argv) {
  CLI::App app{"Counts how many edits with arbitrary targets hold on the bundled model."};
  std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2", editors = "ft,lora", only;
  size_t count = 500;
  uint64_t seed = 1;
  double least = 99;
  bool verbose = false;
  std::vector<std::string> pairs;
  app.add_option("-m,--model", folder, "model folder that was trained on Scenes")
      ->capture_default_str();
  app.add_option("--editors", editors, "editors with a `steps` setting")->capture_default_str();
  app.add_option("--count", count, "number of targets")->capture_default_str();
  app.add_option("--seed", seed, "random seed of the targets")->capture_default_str();
  app.add_option("--least", least, "percentage of edits that must hold")->capture_default_str();
  app.add_option("--kind", only, "only targets of this kind");
  app.add_option("--set", pairs, "editor setting, NAME=VALUE or EDITOR.NAME=VALUE");
  app.add_flag("-v,--verbose", verbose, "print every edit");
  CLI11_PARSE(app, argc, argv);

  const auto vlm = load_vlm(folder);
  auto specs = parse_editors(editors);
  apply_pairs(specs, pairs);
  const auto targets = draw_targets(*vlm.processor.tokenizer, count, seed);
  bool enough = true;
  for (const auto& spec : specs) {
    const auto editor = make_editor(spec.name, spec.settings);
    std::map<std::string, Count> kinds;
    Count all;
    for (const auto& target : targets) {
      if (!only.empty() && target.kind != only) continue;
      const auto result = attempt(vlm, *editor, target, verbose, spec.label);
      kinds[target.kind].add(result);
      all.add(result);
    }
    for (const auto& [kind, result] : kinds) std::cout << line(spec.label, kind, result);
    std::cout << line(spec.label, "all", all);
    if (all.agree < all.edits)
      std::cout << fmt::format(
          "{:<16}{} edits report success, but generation gives another answer\n", spec.label,
          all.edits - all.agree);
    enough = enough && all.per_cent() >= least;
  }
  return enough ? 0 : 1;
}

}  // namespace
}  // namespace emend

int main(int argc, char** argv) {
  try {
    return emend::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
