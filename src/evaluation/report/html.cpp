#include "evaluation/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "evaluation/bench/published.h"
#include "evaluation/protocol/protocol.h"
#include "evaluation/report/records.h"
#include "evaluation/report/words.h"
#include "io/hash.h"

namespace emend {

// The files of report/page/, which cmake/embed.cmake embeds into the program.
extern const char* const kReportHtml;
extern const char* const kReportCss;
extern const char* const kReportJs;

namespace {

using nlohmann::json;
constexpr size_t kFailuresListed = 100;

json json_or_null(const std::optional<double>& value) { return value ? json(*value) : json(); }

json facts_json(const std::vector<Fact>& facts) {
  auto list = json::array();
  for (const auto& fact : facts) list.push_back({fact.name, fact.text});
  return list;
}

json score_json(const GroupScore& score) {
  return {{"score", score.score},
          {"error", json_or_null(score.error)},
          {"generated", json_or_null(score.generated)},
          {"vqa", json_or_null(score.vqa)},
          {"made", json_or_null(score.after_edit)},
          {"probes", score.probes}};
}

json scores_json(const GroupScores& groups, const PreferenceScores& preferences) {
  auto object = json::object();
  for (const auto& [group, score] : groups) object[group_name(group)] = score_json(score);
  for (const auto& [name, score] : preferences) object[name] = score_json(score);
  return object;
}

json method_json(const Block& block, const Method& method) {
  const auto& mean = method.mean;
  auto failed = json::array(), grid = json::array(), curve = json::array(), seeds = json::array();
  for (size_t i = 0; i < std::min(mean.failed.size(), kFailuresListed); ++i)
    failed.push_back({mean.failed[i].record, mean.failed[i].when, mean.failed[i].reason});
  for (const auto& cell : mean.grid)
    grid.push_back({{"text", cell.text},
                    {"image", cell.image},
                    {"expects", cell.expects},
                    {"score", cell.score},
                    {"generated", json_or_null(cell.generated)},
                    {"probes", cell.probes}});
  for (const auto& point : mean.curve)
    curve.push_back({{"edits", point.edits},
                     {"judged", point.judged},
                     {"edit_seconds", json_or_null(point.edit_seconds)},
                     {"judge_seconds", json_or_null(point.judge_seconds)},
                     {"groups", scores_json(point.groups, point.preferences)}});
  for (const auto& source : method.sources) seeds.push_back(block.runs[source.run]->seed);
  return {
      {"title", method.title},
      {"name", mean.name},
      {"base", mean.name == "base"},
      {"settings", mean.settings},
      {"protocol", mean.protocol.is_null() ? json() : facts_json(protocol_facts(mean.protocol))},
      {"records", mean.records},
      {"failures", mean.failed.size()},
      {"failed", failed},
      {"seeds", seeds},
      {"groups", scores_json(mean.groups, mean.preferences)},
      {"grid", grid},
      {"curve", curve},
      {"edit_seconds", json_or_null(mean.edit_seconds)},
      {"judge_seconds", json_or_null(mean.judge_seconds)},
      {"before_seconds", json_or_null(mean.before_seconds)},
      {"sites", json_or_null(mean.sites)},
      {"parameters", json_or_null(mean.parameters)}};
}

json published_json(const Block& block) {
  auto tables = json::array();
  for (const auto& table : published_tables(block.first().suite, block.first().mode)) {
    auto rows = json::array();
    for (const auto& row : table.rows) {
      auto percent = json::object();
      for (const auto& [group, value] : row.percent) percent[group_name(group)] = value;
      for (const auto& [name, value] : row.preferences) percent[name] = value;
      rows.push_back({{"editor", row.editor},
                      {"model", row.model},
                      {"source", row.source},
                      {"percent", percent}});
    }
    tables.push_back({{"title", table.title}, {"note", table.note}, {"rows", rows}});
  }
  return tables;
}

// For each sweep of the block's runs, the values and the indices of their methods. Runs with other
// seeds have the same sweep.
json sweeps_json(const Block& block) {
  auto sweeps = json::array();
  for (size_t r = 0; r < block.runs.size(); ++r) {
    const auto& sweep = block.runs[r]->sweep;
    if (!sweep) continue;
    auto points = json::array();
    const auto& editors = block.runs[r]->editors;
    for (const auto& value : sweep->values)
      for (size_t e = 0; e < editors.size(); ++e)
        if (editors[e].label == sweep_label(*sweep, value))
          points.push_back({{"value", value}, {"method", block.method_of[r][e]}});
    const json one = {{"editor", sweep->editor}, {"setting", sweep->setting}, {"points", points}};
    if (std::find(sweeps.begin(), sweeps.end(), one) == sweeps.end()) sweeps.push_back(one);
  }
  return sweeps;
}

// The last part of the model's path, because its location does not matter.
std::string plain_folder(const Run& run) {
  auto folder = run.config["model"].value("folder", json());
  if (!folder.is_string()) return "model";
  return std::filesystem::path(folder.get<std::string>()).filename().string();
}

json block_json(const Block& block) {
  const auto& run = block.first();
  const auto& protocol = run.config["protocol"];
  auto metrics = json::array(), columns = json::array(), methods = json::array();
  for (auto group : groups())
    metrics.push_back({{"id", group_name(group)},
                       {"title", group_title(group)},
                       {"says", metric_sentence(group, protocol)},
                       {"locality", is_locality(group)}});
  for (auto group : table_groups(block)) columns.push_back(group_name(group));
  for (const auto& info : table_preferences(block)) {
    metrics.push_back({{"id", info.name},
                       {"title", info.title},
                       {"says", info.question},
                       {"locality", is_locality(info.group)}});
    columns.push_back(info.name);
  }
  for (const auto& method : block.methods) methods.push_back(method_json(block, method));
  return {{"title", block_title(block)},
          {"model", fmt::format("{} ({})", plain_folder(run), run.fingerprint.substr(0, 12))},
          {"facts", facts_json(facts_of(block))},
          {"protocol", facts_json(protocol_facts(protocol))},
          {"error", error_sentence(block)},
          {"metrics", metrics},
          {"columns", columns},
          {"methods", methods},
          {"sweeps", sweeps_json(block)},
          {"published", published_json(block)}};
}

// The surveys of the runs of a block.
std::vector<std::vector<SampledRecord>> surveys_of(
    const Block& block, const std::vector<Run>& runs,
    const std::vector<std::vector<SampledRecord>>& surveys) {
  std::vector<std::vector<SampledRecord>> own;
  for (const auto* run : block.runs) own.push_back(surveys[static_cast<size_t>(run - runs.data())]);
  return own;
}

// Fills the places of the template. Texts that were filled in are not searched again.
std::string filled(std::string_view page, const std::map<std::string, std::string>& values) {
  std::string out;
  for (size_t at = 0;;) {
    auto open = page.find("{{", at);
    if (open == page.npos) return out.append(page.substr(at));
    auto close = page.find("}}", open);
    out.append(page.substr(at, open - at));
    out += values.at(std::string(page.substr(open + 2, close - open - 2)));
    at = close + 2;
  }
}

}  // namespace

std::string script_json(const json& value) {
  std::string safe;
  for (char c : value.dump()) {
    if (c == '<') {
      safe += "\\u003c";
    } else if (c == '>') {
      safe += "\\u003e";
    } else if (c == '&') {
      safe += "\\u0026";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string report_html(const Merged& merged, const std::vector<Run>& runs,
                        const std::vector<std::vector<SampledRecord>>& surveys, size_t records,
                        PictureBook& pictures) {
  json data = {{"emend", EMEND_VERSION}, {"warnings", merged.warnings}, {"blocks", json::array()}};
  auto share = merged.blocks.empty() ? 0 : records / merged.blocks.size();
  if (records > 0) share = std::max<size_t>(share, 1);
  for (const auto& block : merged.blocks) {
    auto one = block_json(block);
    one["records"] = page_records(block, surveys_of(block, runs, surveys), share, pictures);
    data["blocks"].push_back(std::move(one));
  }
  data["pictures"] = pictures.pages();
  data["unreadable_pictures"] = pictures.unreadable();
  data["pictures_elsewhere"] = pictures.elsewhere();
  auto text = script_json(data);
  // Only scripts with the nonce run. The nonce is a hash of the data, so the data cannot contain
  // it.
  return filled(
      kReportHtml,
      {{"nonce", hash_hex(text)}, {"css", kReportCss}, {"js", kReportJs}, {"data", text}});
}

}  // namespace emend
