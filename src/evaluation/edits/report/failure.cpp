#include "evaluation/edits/report/failure.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "evaluation/edits/report/suggestions.h"
#include "io/strings/counted.h"

namespace emend {
namespace {

using nlohmann::json;

double number(const json& effect, const char* name) {
  return effect.contains(name) && effect[name].is_number() ? effect[name].get<double>() : 0;
}

std::vector<double> losses(const json& effect) {
  std::vector<double> all;
  if (effect.contains("losses") && effect["losses"].is_array())
    for (const auto& one : effect["losses"])
      if (one.is_number()) all.push_back(one.get<double>());
  if (all.empty() && effect.contains("loss_before") && effect.contains("loss_after"))
    all = {number(effect, "loss_before"), number(effect, "loss_after")};
  return all;
}

}  // namespace

std::string failure_reason(const EditVerdict& edit) {
  const auto& effect = edit.effect;
  const auto steps = effect.is_object() ? effect.value("steps", int64_t{0}) : 0;
  if (steps == 0) return "the edit is applied, but the model still gives another answer";
  const auto stopped = effect.value("stop_reason", std::string());
  if (stopped == "diverged") return "the loss diverged after " + counted(steps, "step");
  if (stopped == "no_progress")
    return "the loss stopped decreasing after " + counted(steps, "step");
  if (effect.value("holds", false))
    return fmt::format(
        "the model learned the target's tokens in {}, but the generated answer differs",
        counted(steps, "step"));
  if (steps == 1) return "one gradient step was not enough";
  return fmt::format("{} steps were not enough", steps);
}

std::string loss_curve(const json& effect) {
  constexpr size_t kShown = 8;
  const auto all = losses(effect);
  if (all.empty()) return {};
  std::vector<std::string> shown;
  const auto count = std::min(kShown, all.size());
  for (size_t i = 0; i < count; ++i)
    shown.push_back(fmt::format("{:.3g}", all[count > 1 ? i * (all.size() - 1) / (count - 1) : 0]));
  return fmt::format("{}", fmt::join(shown, " -> "));
}

std::vector<std::string> failed_token_lines(const EditVerdict& edit) {
  std::vector<std::string> lines;
  for (const auto& token : edit.failed)
    lines.push_back(fmt::format("token {}: expected \"{}\", the model predicts \"{}\"",
                                token.position + 1, token.expected, token.predicted));
  return lines;
}

json failure_json(const EditReport& report, const EditVerdict& edit) {
  json failure = {{"answer", edit.after},
                  {"reason", failure_reason(edit)},
                  {"loss", edit.effect.value("losses", json::array())},
                  {"failed_tokens", json::array()},
                  {"try", suggestions(report, edit)}};
  for (const char* name : {"stop_reason", "steps", "loss_before", "loss_after"})
    if (edit.effect.contains(name)) failure[name] = edit.effect[name];
  for (const auto& token : edit.failed) failure["failed_tokens"].push_back(to_json(token));
  return failure;
}

}  // namespace emend
