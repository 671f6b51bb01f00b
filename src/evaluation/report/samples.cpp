#include "evaluation/report/samples.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <unordered_map>
#include <unordered_set>

#include "evaluation/protocol/protocol.h"
#include "evaluation/protocol/result_keys.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kSamplesPlace = "evaluation::report";
constexpr const char* kMixed = "use results.json and samples.jsonl of the same run";

std::string samples_path(const Run& run) {
  return (std::filesystem::path(run.folder) / "samples.jsonl").string();
}

std::string text_or_empty(const json& object, const char* key, const std::string& where) {
  return json_get_or<std::string>(object, key, "", where);
}

template <typename T>
std::optional<T> read_optional(const json& object, const char* key, const std::string& where) {
  if (!object.contains(key) || object[key].is_null()) return {};
  return json_get<T>(object, key, where);
}

SampleProbe read_probe(const json& object, const std::string& where) {
  SampleProbe probe;
  probe.group = group_named(json_get<std::string>(object, "group", where), where);
  probe.text = text_or_empty(object, "text", where);
  probe.picture = text_or_empty(object, "picture", where);
  probe.image = text_or_empty(object, "image", where);
  probe.prompt = json_get<std::string>(object, "prompt", where);
  probe.expected = json_get<std::string>(object, "expected", where);
  probe.before = json_get<std::string>(object, "before", where);
  probe.after = json_get<std::string>(object, "after", where);
  probe.score = read_share(object, "score", where);
  probe.generated = read_optional_share(object, "generated", where);
  probe.vqa = read_optional_share(object, "vqa", where);
  return probe;
}

Sample read_sample(const json& object, const std::string& where) {
  Sample sample;
  sample.editor = json_get<std::string>(object, "editor", where);
  sample.record = json_get<std::string>(object, "record", where);
  sample.after_edits = read_optional<int64_t>(object, "after_edits", where);
  sample.again = json_get_or<bool>(object, "reevaluated", false, where);
  sample.prompt = text_or_empty(object, "prompt", where);
  sample.target = text_or_empty(object, "target", where);
  sample.image = text_or_empty(object, "image", where);
  sample.truth = text_or_empty(object, "truth", where);
  if (object.contains("failed")) {
    sample.failed = json_get<std::string>(object, "failed", where);
    if (sample.failed.empty()) sample.failed = "no reason given";
    return sample;
  }
  for (const char* key : {"prompt", "target"}) json_get<std::string>(object, key, where);
  sample.steps = read_optional<int64_t>(object, "steps", where);
  sample.holds = read_optional<bool>(object, "holds", where);
  auto probes = json_get<json>(object, "probes", where);
  if (!probes.is_array())
    throw Error(kSamplesPlace,
                fmt::format("'{}': 'probes' should be a list but is {}", where, probes.type_name()),
                "compare the file with docs/results.md; it may have been edited");
  for (const auto& probe : probes)
    sample.probes.push_back(
        read_probe(probe, fmt::format("{}, probes[{}]", where, sample.probes.size())));
  return sample;
}

// Sums over the lines of one editor.
struct Tally {
  int64_t records = 0, failed = 0;
  std::map<Group, std::pair<double, int64_t>> sums;  // sum of the records' means, number of records

  void add(const Sample& sample) {
    ++(sample.failed.empty() ? records : failed);
    std::map<Group, std::pair<double, int64_t>> groups;
    for (const auto& probe : sample.probes) {
      groups[probe.group].first += probe.score;
      ++groups[probe.group].second;
    }
    for (const auto& [group, sum] : groups) {
      sums[group].first += sum.first / static_cast<double>(sum.second);
      ++sums[group].second;
    }
  }

  void check_means(const EditorRun& editor, const std::string& path) const {
    auto refuse = [&](const std::string& what) {
      throw Error(kSamplesPlace, fmt::format("'{}', editor '{}': {}", path, editor.label, what),
                  kMixed);
    };
    for (const auto& [group, sum] : sums) {
      auto mean = sum.first / static_cast<double>(sum.second);
      auto told = editor.groups.find(group);
      if (told == editor.groups.end())
        refuse(fmt::format("there are probes of {}, but results.json has none", group_name(group)));
      if (std::abs(told->second.score - mean) > 1e-6)
        refuse(fmt::format("{} has the mean {}, but results.json has {}", group_name(group), mean,
                           told->second.score));
    }
  }
};

// All lines of one editor: judgments right after the edit, and, in sequential mode, later judgments
// by number of edits.
struct EditorTally {
  Tally made;
  std::map<int64_t, Tally> again;

  void add(const Sample& sample) {
    (sample.again ? again[sample.after_edits.value_or(0)] : made).add(sample);
  }

  void check(const Run& run, const EditorRun& editor, const std::string& path) const {
    auto refuse = [&](const std::string& what) {
      throw Error(kSamplesPlace, fmt::format("'{}', editor '{}': {}", path, editor.label, what),
                  kMixed);
    };
    const auto& last = again.empty() ? made : again.rbegin()->second;
    const auto failures = static_cast<int64_t>(editor.failed.size());
    if (run.partial) {
      // In an unfinished run, lines and results may be from different moments.
      if (made.records + made.failed == 0 && editor.records + failures > 0)
        refuse(fmt::format("no lines, but results.json has {} records", editor.records));
      return;
    }
    // In sequential mode, an edit that failed once counts at each later judgment.
    if (last.records != editor.records || (again.empty() && made.failed != failures))
      refuse(fmt::format("{} records and {} failures, but results.json has {} and {}", last.records,
                         last.failed, editor.records, failures));
    for (const auto& point : editor.curve) {
      const auto found = again.find(point.edits);
      const auto judged = found == again.end() ? 0 : found->second.records;
      if (judged != point.judged)
        refuse(fmt::format("{} records judged again after {} edits, but results.json has {}",
                           judged, point.edits, point.judged));
    }
    last.check_means(editor, path);
  }
};

}  // namespace

void read_samples(const Run& run, const std::function<void(int64_t, Sample&&)>& visit,
                  const std::set<int64_t>* only) {
  auto path = samples_path(run);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  std::ifstream file;
  if (std::filesystem::is_regular_file(path, ignored)) file.open(path, std::ios::binary);
  if (!file.is_open())
    throw Error(kSamplesPlace, fmt::format("'{}' cannot be read", path), "check its permissions");
  std::string text;
  for (int64_t line = 1; std::getline(file, text); ++line) {
    if (run.partial && file.eof()) break;  // a line without a line break is still being written
    if (only && !only->count(line)) continue;
    auto where = fmt::format("{}, line {}", path, line);
    auto object = parse_json(text, where);
    rename_old_result_keys(object, 1);
    visit(line, read_sample(object, where));
  }
  if (file.bad())
    throw Error(kSamplesPlace, fmt::format("'{}' cannot be read to its end", path),
                "check the disk, or copy the run again");
}

std::vector<SampledRecord> survey_samples(const Run& run) {
  auto path = samples_path(run);
  std::vector<SampledRecord> records;
  std::unordered_map<std::string, size_t> known;
  std::unordered_set<std::string> seen;
  std::map<std::string, EditorTally> tallies;
  for (const auto& editor : run.editors) tallies[editor.label];
  read_samples(run, [&](int64_t line, Sample&& sample) {
    auto refuse = [&](const std::string& what) {
      throw Error(kSamplesPlace, fmt::format("'{}', line {}: {}", path, line, what), kMixed);
    };
    auto tally = tallies.find(sample.editor);
    if (tally == tallies.end())
      refuse(fmt::format("'editor' is '{}', which results.json does not have", sample.editor));
    tally->second.add(sample);
    auto key =
        json::array({sample.editor, sample.record, sample.after_edits.value_or(-1), sample.again})
            .dump();
    if (!seen.insert(key).second)
      refuse(fmt::format("duplicate line of editor '{}' for record '{}'", sample.editor,
                         sample.record));
    auto [place, is_new] = known.try_emplace(sample.record, records.size());
    if (is_new) records.push_back({sample.record, "", "", {}, 0, 0});
    auto& record = records[place->second];
    if (sample.failed.empty()) {
      if (record.prompt.empty() && record.target.empty())
        record.prompt = sample.prompt, record.target = sample.target;
      if (record.prompt != sample.prompt || record.target != sample.target)
        refuse(fmt::format("'prompt' or 'target' of record '{}' differs from an earlier line",
                           sample.record));
    }
    record.lines.push_back(line);
    if (sample.editor == "base") return;
    record.probes += static_cast<int64_t>(sample.probes.size());
    for (const auto& probe : sample.probes) record.wrong += probe.wrong();
    if (!sample.failed.empty()) ++record.probes, ++record.wrong;
  });
  // A missing file is allowed; a file that lacks lines is refused.
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored))
    for (const auto& editor : run.editors) tallies[editor.label].check(run, editor, path);
  return records;
}

}  // namespace emend
