#include "cli/entries.h"

#include <fmt/format.h>

#include "cli/reports/table.h"

namespace emend::cli {

std::string entries_table(const Patch& patch) {
  std::vector<std::vector<std::string>> rows = {{"entry", "prompt", "target", "picture"}};
  for (const auto& entry : patch.memory.entries) {
    auto fact = [&](const char* name) {
      return entry.facts.is_object() ? entry.facts.value(name, std::string()) : std::string();
    };
    rows.push_back({entry.name, fact("prompt"), fact("target"), fact("image")});
  }
  return table(rows);
}

std::string memory_text(const nlohmann::json& facts) {
  if (facts.is_null()) return {};
  const auto& scope = facts.at("certificate");
  const auto samples = scope.at("samples").get<int64_t>();
  const auto left_out = scope.at("left_out").get<int64_t>();
  std::string text = "  scope     not calibrated\n";
  if (samples > 0)
    text = fmt::format(
        "  scope     touches at most {:g} % of unrelated questions (confidence {:g} %), from {} of "
        "{} calibration questions{}\n",
        100 * scope.at("risk").get<double>(), 100 * scope.at("confidence").get<double>(),
        scope.at("touched").get<int64_t>(), samples,
        left_out > 0 ? fmt::format("; {} more are about edited facts", left_out) : std::string());
  for (const auto& pair : facts.at("superseded"))
    text += fmt::format("  superseded  {} by {}\n", pair.at("entry").get<std::string>(),
                        pair.at("by").get<std::string>());
  return text;
}

}  // namespace emend::cli
