#include "evaluation/report/records.h"

#include <algorithm>
#include <filesystem>

#include "evaluation/protocol/protocol.h"
#include "io/error.h"
#include "io/image/thumbnail.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr int kThumbnail = 128;  // pixels

// A record with its lines in all runs. Runs with the same seed have the same records.
struct Shown {
  std::string id, prompt, target;
  json seed;
  std::vector<std::pair<size_t, std::vector<int64_t>>> lines;  // run, its lines
  int64_t probes = 0, wrong = 0;

  double share_wrong() const { return probes ? static_cast<double>(wrong) / probes : 0; }
};

std::vector<Shown> all_records(const Block& block,
                               const std::vector<std::vector<SampledRecord>>& surveys) {
  std::vector<Shown> records;
  std::unordered_map<std::string, size_t> known;
  for (size_t run = 0; run < surveys.size(); ++run)
    for (const auto& record : surveys[run]) {
      const auto& seed = block.runs[run]->seed;
      auto key = json::array({seed, record.id, record.prompt, record.target}).dump();
      auto [place, is_new] = known.try_emplace(key, records.size());
      if (is_new) records.push_back({record.id, record.prompt, record.target, seed, {}, 0, 0});
      auto& shown = records[place->second];
      shown.lines.emplace_back(run, record.lines);
      shown.probes += record.probes;
      shown.wrong += record.wrong;
    }
  return records;
}

// Half of the records are the first ones, half those with the most wrong probes, in file order.
std::vector<Shown> chosen(std::vector<Shown> records, size_t limit) {
  if (records.size() <= limit) return records;
  std::vector<size_t> order(records.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  size_t first = (limit + 1) / 2;
  std::stable_sort(
      order.begin() + static_cast<ptrdiff_t>(first), order.end(),
      [&](size_t a, size_t b) { return records[a].share_wrong() > records[b].share_wrong(); });
  order.resize(limit);
  std::sort(order.begin(), order.end());
  std::vector<Shown> picked;
  for (auto index : order) picked.push_back(std::move(records[index]));
  return picked;
}

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(); }

json probe_json(const SampleProbe& probe, int64_t picture) {
  return {{"group", group_name(probe.group)},
          {"text", probe.text},
          {"picture", probe.picture},
          {"image", picture},
          {"prompt", probe.prompt},
          {"expected", probe.expected},
          {"before", probe.before}};
}

// [after, score, generated, vqa, wrong], and [prompt, before] if they differ for this editor.
json cell_json(const SampleProbe& probe, const json& row) {
  json cell = {probe.after, probe.score, or_null(probe.generated), or_null(probe.vqa),
               probe.wrong()};
  if (row["prompt"] != probe.prompt || row["before"] != probe.before) {
    cell.push_back(probe.prompt);
    cell.push_back(probe.before);
  }
  return cell;
}

// The index of the row of `rows` for this probe, from `at` on; a missing row is added.
size_t row_of(json& rows, size_t at, const json& probe) {
  for (size_t i = at; i < rows.size(); ++i)
    if (rows[i]["group"] == probe["group"] && rows[i]["expected"] == probe["expected"] &&
        rows[i]["image"] == probe["image"] && rows[i]["text"] == probe["text"] &&
        rows[i]["picture"] == probe["picture"])
      return i;
  rows.push_back(probe);
  return rows.size() - 1;
}

void add_sample(json& record, const Sample& sample, size_t method, const std::string& folder,
                PictureBook& pictures) {
  json column = {{"method", method}, {"cells", json::object()}};
  if (sample.after_edits) column["after_edits"] = *sample.after_edits;
  if (sample.again) column["reevaluated"] = true;
  if (sample.steps) column["steps"] = *sample.steps;
  if (sample.holds) column["holds"] = *sample.holds;
  if (!sample.failed.empty()) column["failed"] = sample.failed;
  if (record["image"].is_null() && !sample.image.empty())
    record["image"] = pictures.add(folder, sample.image);
  if (record["truth"].is_null() && !sample.truth.empty()) record["truth"] = sample.truth;
  size_t next = 0;
  for (const auto& probe : sample.probes) {
    auto row = row_of(record["probes"], next, probe_json(probe, pictures.add(folder, probe.image)));
    column["cells"][std::to_string(row)] = cell_json(probe, record["probes"][row]);
    next = row + 1;
  }
  record["columns"].push_back(std::move(column));
}

}  // namespace

bool PictureBook::is_allowed(const std::string& path, const std::string& folder) const {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto real = fs::canonical(path, error);
  if (error) return false;
  auto is_below = [&](const std::string& root) {
    const auto real_root = fs::canonical(root.empty() ? "." : root, error);
    if (error) return false;
    const auto [end, rest] =
        std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
    return end == real_root.end();
  };
  return is_below(folder) || std::any_of(roots_.begin(), roots_.end(), is_below);
}

int64_t PictureBook::add(const std::string& folder, const std::string& name) {
  if (name.empty()) return -1;
  namespace fs = std::filesystem;
  std::error_code ignored;
  auto beside = (fs::path(folder) / name).string();
  auto path = fs::is_regular_file(beside, ignored) ? beside : name;
  auto [place, is_new] = known_.try_emplace(path, -1);
  if (!is_new) return place->second;
  if (fs::exists(path, ignored) && !is_allowed(path, folder)) {
    ++elsewhere_;
    return -1;
  }
  try {
    auto small = thumbnail(read_image(path), kThumbnail);
    place->second = static_cast<int64_t>(pages_.size());
    pages_.push_back(data_url(small));
  } catch (const Error&) {
    ++unreadable_;  // the page reports the number and still shows the texts
  }
  return place->second;
}

json page_records(const Block& block, const std::vector<std::vector<SampledRecord>>& surveys,
                  size_t limit, PictureBook& pictures) {
  auto all = all_records(block, surveys);
  json result = {{"total", all.size()}, {"shown", json::array()}};
  auto records = chosen(std::move(all), limit);
  std::vector<std::unordered_map<int64_t, size_t>> record_at(block.runs.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    result["shown"].push_back({{"id", record.id},
                               {"seed", record.seed},
                               {"prompt", record.prompt},
                               {"target", record.target},
                               {"image", nullptr},
                               {"truth", nullptr},
                               {"probes", json::array()},
                               {"columns", json::array()}});
    for (const auto& [run, lines] : record.lines)
      for (auto line : lines) record_at[run][line] = i;
  }
  for (size_t run = 0; run < block.runs.size(); ++run) {
    // A result that occurs in two runs with the same seed is shown once.
    std::unordered_map<std::string, size_t> methods;
    for (size_t m = 0; m < block.methods.size(); ++m)
      for (const auto& source : block.methods[m].sources)
        if (source.run == run) methods[block.editor(source).label] = m;
    std::set<int64_t> lines;
    for (const auto& [line, record] : record_at[run]) lines.insert(line);
    if (lines.empty()) continue;
    read_samples(
        *block.runs[run],
        [&](int64_t line, Sample&& sample) {
          auto method = methods.find(sample.editor);
          if (method != methods.end())
            add_sample(result["shown"][record_at[run][line]], sample, method->second,
                       block.runs[run]->folder, pictures);
        },
        &lines);
  }
  return result;
}

}  // namespace emend
