#include "editing/tracing/trace_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "editing/tracing/trace_options.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kTraceFormat = "emend-trace";

json score_json(const TraceScore& score) {
  return {{"probability", score.probability}, {"log_probability", score.log_probability}};
}

json scores_json(const std::vector<std::vector<TraceScore>>& scores, double TraceScore::*metric) {
  auto rows = json::array();
  for (const auto& row : scores) {
    auto cells = json::array();
    for (const auto& score : row)
      cells.push_back(std::isfinite(score.*metric) ? json(score.*metric) : json());
    rows.push_back(std::move(cells));
  }
  return rows;
}

json map_json(const TraceMap& map) {
  json value = {{"module", module_name(map.module)},
                {"component", map.component},
                {"window", map.window},
                {"groups", map.groups},
                {"layers", map.layers},
                {"indirect_effect",
                 {{"probability", scores_json(map.effects, &TraceScore::probability)},
                  {"log_probability", scores_json(map.effects, &TraceScore::log_probability)}}}};
  if (!map.errors.empty())
    value["standard_error"] = {
        {"probability", scores_json(map.errors, &TraceScore::probability)},
        {"log_probability", scores_json(map.errors, &TraceScore::log_probability)}};
  return value;
}

// Reads a trace strictly. Every error names the file.
class TraceReader {
 public:
  explicit TraceReader(const std::string& file) : file_(file) {}

  TraceResult result(const json& value) const {
    if (!value.is_object() || get<std::string>(value, "format") != kTraceFormat)
      refuse("has no trace");
    TraceResult result;
    result.prompt = get<std::string>(value, "prompt");
    result.subject = get<std::string>(value, "subject");
    result.target = get<std::string>(value, "target");
    result.answer = get<std::string>(value, "answer");
    result.clean = score(value, "clean");
    result.records = count(value, "records");
    result.grid = get<int64_t>(value, "grid");
    result.notes = get<std::vector<std::string>>(value, "notes");
    for (const auto& runs : list(value, "runs")) result.runs.push_back(this->runs(runs));
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error("editing::trace", fmt::format("{} {}", file_, what),
                "use a file that `emend trace` has written");
  }
  template <class T>
  T get(const json& value, const char* key) const {
    return json_get<T>(value, key, file_);
  }
  json list(const json& value, const char* key) const {
    auto found = get<json>(value, key);
    if (!found.is_array()) refuse(fmt::format("has a value of '{}' that is not a list", key));
    return found;
  }
  int64_t count(const json& value, const char* key) const {
    const auto found = get<int64_t>(value, key);
    if (found < 1) refuse(fmt::format("has {} = {}", key, found));
    return found;
  }
  TraceScore score(const json& value, const char* key) const {
    const auto found = get<json>(value, key);
    return {get<double>(found, "probability"), get<double>(found, "log_probability")};
  }
  Module module(const std::string& name) const {
    for (auto module : {Module::vision_tower, Module::connector, Module::language})
      if (name == module_name(module)) return module;
    refuse(fmt::format("has the module '{}'", name.substr(0, 100)));
  }

  TraceRuns runs(const json& value) const {
    TraceRuns runs;
    runs.corrupted = get<std::string>(value, "corrupted");
    if (runs.corrupted != "text" && runs.corrupted != "image")
      refuse("corrupts neither text nor image");
    runs.kind = get<std::string>(value, "kind");
    runs.sigma = get<double>(value, "sigma");
    runs.factor = get<double>(value, "factor");
    runs.rows = count(value, "rows");
    runs.records = count(value, "records");
    runs.clean = score(value, "clean");
    runs.score = score(value, "score");
    runs.error = score(value, "standard_error");
    runs.restored = score(value, "restored");
    runs.reversible = get<double>(value, "reversible");
    for (const auto& map : list(value, "maps")) runs.maps.push_back(this->map(map));
    return runs;
  }

  TraceMap map(const json& value) const {
    TraceMap map;
    map.module = module(get<std::string>(value, "module"));
    map.component = get<std::string>(value, "component");
    map.window = count(value, "window");
    map.groups = get<std::vector<std::string>>(value, "groups");
    map.layers = get<std::vector<std::string>>(value, "layers");
    map.effects = scores(get<json>(value, "indirect_effect"), map);
    if (value.contains("standard_error"))
      map.errors = scores(get<json>(value, "standard_error"), map);
    return map;
  }

  std::vector<std::vector<TraceScore>> scores(const json& value, const TraceMap& map) const {
    std::vector<std::vector<TraceScore>> scores(map.groups.size(),
                                                std::vector<TraceScore>(map.layers.size()));
    for (const auto& [key, metric] : {std::pair{"probability", &TraceScore::probability},
                                      std::pair{"log_probability", &TraceScore::log_probability}}) {
      const auto rows = list(value, key);
      if (rows.size() != scores.size()) refuse("has a map with another number of groups");
      for (size_t g = 0; g < rows.size(); ++g) {
        if (!rows[g].is_array() || rows[g].size() != map.layers.size())
          refuse("has a map with another number of layers");
        for (size_t l = 0; l < map.layers.size(); ++l) {
          if (!rows[g][l].is_number()) refuse("has a map with a value that is not a number");
          scores[g][l].*metric = rows[g][l].get<double>();
        }
      }
    }
    return scores;
  }

  const std::string& file_;
};

// Mean and standard error of a number of values.
class Moments {
 public:
  void add(double value) {
    ++count_;
    const double off = value - mean_;
    mean_ += off / static_cast<double>(count_);
    squares_ += off * (value - mean_);
  }
  int64_t count() const { return count_; }
  double mean() const { return mean_; }
  double error() const {
    if (count_ < 2) return 0;
    const auto n = static_cast<double>(count_);
    return std::sqrt(squares_ / (n - 1) / n);
  }

 private:
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

struct ScoreMoments {
  Moments probability, log_probability;
  void add(const TraceScore& score) {
    probability.add(score.probability);
    log_probability.add(score.log_probability);
  }
  TraceScore mean() const { return {probability.mean(), log_probability.mean()}; }
  TraceScore error() const { return {probability.error(), log_probability.error()}; }
};

// Groups in the order of token_groups and of the maps of pictures.
std::vector<std::string> merged_groups(const std::vector<const TraceMap*>& maps) {
  static const std::vector<std::string> order = {"all",      "class token", "image",
                                                 "template", "subject",     "subject last",
                                                 "question", "last",        "answer"};
  std::vector<std::string> merged;
  for (const auto* map : maps)
    for (const auto& group : map->groups)
      if (std::find(merged.begin(), merged.end(), group) == merged.end()) merged.push_back(group);
  const auto place = [&](const std::string& group) {
    const auto found = std::find(order.begin(), order.end(), group);
    // Parts of a picture, and query tokens, are after the image.
    return found == order.end() ? 2.5 : static_cast<double>(found - order.begin());
  };
  std::stable_sort(merged.begin(), merged.end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
  return merged;
}

TraceMap average_maps(const std::vector<const TraceMap*>& maps) {
  TraceMap mean = *maps.front();
  mean.groups = merged_groups(maps);
  const auto layers = mean.layers.size();
  std::vector<std::vector<ScoreMoments>> moments(mean.groups.size(),
                                                 std::vector<ScoreMoments>(layers));
  for (const auto* map : maps) {
    if (map->layers != mean.layers)
      throw Error("editing::trace", "the traces have different layers",
                  "average traces of one model with the same settings");
    for (size_t g = 0; g < mean.groups.size(); ++g)
      if (const auto row = map->row(mean.groups[g]); row >= 0)
        for (size_t l = 0; l < layers; ++l) moments[g][l].add(map->effects[row][l]);
  }
  mean.effects.assign(mean.groups.size(), std::vector<TraceScore>(layers));
  mean.errors = mean.effects;
  for (size_t g = 0; g < mean.groups.size(); ++g)
    for (size_t l = 0; l < layers; ++l) {
      mean.effects[g][l] = moments[g][l].mean();
      mean.errors[g][l] = moments[g][l].error();
    }
  return mean;
}

bool same_kind(const TraceMap& a, const TraceMap& b) {
  return a.module == b.module && a.component == b.component && a.window == b.window;
}

TraceRuns average_runs(const std::vector<const TraceRuns*>& all) {
  TraceRuns mean = *all.front();
  ScoreMoments clean, score, restored;
  Moments sigma, reversible;
  for (const auto* runs : all) {
    clean.add(runs->clean);
    score.add(runs->score);
    restored.add(runs->restored);
    sigma.add(runs->sigma);
    reversible.add(runs->reversible);
  }
  mean.records = static_cast<int64_t>(all.size());
  mean.clean = clean.mean();
  mean.score = score.mean();
  mean.error = score.error();
  mean.restored = restored.mean();
  mean.sigma = sigma.mean();
  mean.reversible = reversible.mean();
  mean.maps.clear();
  for (const auto* first : all)
    for (const auto& kind : first->maps) {
      if (std::any_of(mean.maps.begin(), mean.maps.end(),
                      [&](const auto& map) { return same_kind(map, kind); }))
        continue;
      std::vector<const TraceMap*> maps;
      for (const auto* runs : all)
        for (const auto& map : runs->maps)
          if (same_kind(map, kind)) maps.push_back(&map);
      mean.maps.push_back(average_maps(maps));
    }
  return mean;
}

bool holds_content(const std::string& group) {
  return group == "subject" || group == "subject last" || group == "image" || group == "all" ||
         group == "query tokens";
}

constexpr size_t kMaxBlocks = 10000;

// The index of a block, from the name of its stage; -1: not a block.
int64_t block_number(const std::string& layer) {
  const auto dot = layer.rfind('.');
  if (dot == std::string::npos || dot + 1 == layer.size() || layer.size() - dot > 9) return -1;
  int64_t number = 0;
  for (auto i = dot + 1; i < layer.size(); ++i) {
    if (layer[i] < '0' || layer[i] > '9') return -1;
    number = 10 * number + (layer[i] - '0');
  }
  return number;
}

}  // namespace

int64_t TraceMap::row(const std::string& group) const {
  const auto found = std::find(groups.begin(), groups.end(), group);
  return found == groups.end() ? -1 : found - groups.begin();
}

int64_t TraceMap::picture_parts() const {
  return std::count_if(groups.begin(), groups.end(),
                       [](const std::string& group) { return group.starts_with("image "); });
}

json to_json(const TraceResult& result) {
  auto all = json::array();
  for (const auto& runs : result.runs) {
    auto maps = json::array();
    for (const auto& map : runs.maps) maps.push_back(map_json(map));
    all.push_back({{"corrupted", runs.corrupted},
                   {"kind", runs.kind},
                   {"sigma", runs.sigma},
                   {"factor", runs.factor},
                   {"rows", runs.rows},
                   {"records", runs.records},
                   {"clean", score_json(runs.clean)},
                   {"score", score_json(runs.score)},
                   {"standard_error", score_json(runs.error)},
                   {"restored", score_json(runs.restored)},
                   {"reversible", runs.reversible},
                   {"maps", maps}});
  }
  return {{"format", kTraceFormat},    {"prompt", result.prompt},
          {"subject", result.subject}, {"target", result.target},
          {"answer", result.answer},   {"clean", score_json(result.clean)},
          {"records", result.records}, {"grid", result.grid},
          {"notes", result.notes},     {"runs", all}};
}

TraceResult trace_from_json(const json& value, const std::string& file) {
  return TraceReader(file).result(value);
}

TraceResult load_trace(const std::string& path, const std::string& fingerprint) {
  const auto value = read_json(path);
  const auto base = value.is_object() ? value.value("base", json()) : json();
  if (!fingerprint.empty() && base.is_string() && base != fingerprint)
    throw Error("editing::trace", "the trace '" + path + "' belongs to another model",
                "trace an answer of this model");
  if (!value.is_object() || value.value("format", json()) != "emend-trace-suite")
    return trace_from_json(value, path);
  const auto kinds = json_get<json>(value, "kinds", path);
  std::optional<TraceResult> found;
  const auto add = [&](const char* corrupted, const std::vector<const char*>& order) {
    for (const auto* kind : order) {
      const auto questions = kinds.is_object() ? kinds.value(kind, json()) : json();
      if (!questions.is_object() || !questions.contains("trace")) continue;
      const auto trace = trace_from_json(questions.at("trace"), path);
      for (const auto& runs : trace.runs) {
        if (runs.corrupted != corrupted) continue;
        if (!found) {
          found = trace;
          found->runs.clear();
        }
        found->runs.push_back(runs);
        return;
      }
    }
  };
  add("image", {"edit", "beside"});
  add("text", {"text", "edit", "beside"});
  if (!found)
    throw Error("editing::trace", path + " has no trace",
                "use a file that `emend trace` has written");
  return *found;
}

TraceResult average_traces(const std::vector<TraceResult>& traces) {
  if (traces.empty())
    throw Error("editing::trace", "there are no traces to average",
                "the model must answer at least one question correctly");
  TraceResult mean;
  mean.records = static_cast<int64_t>(traces.size());
  ScoreMoments clean;
  for (const auto& trace : traces) {
    clean.add(trace.clean);
    mean.grid = std::max(mean.grid, trace.grid);
  }
  // What holds for every trace. What only some have is in the means, such as `reversible`.
  const auto has = [](const TraceResult& trace, const std::string& note) {
    return std::find(trace.notes.begin(), trace.notes.end(), note) != trace.notes.end();
  };
  for (const auto& note : traces.front().notes)
    if (std::all_of(traces.begin(), traces.end(),
                    [&](const auto& trace) { return has(trace, note); }))
      mean.notes.push_back(note);
  mean.clean = clean.mean();
  for (const char* corrupted : {"image", "text"}) {
    std::vector<const TraceRuns*> runs;
    for (const auto& trace : traces)
      for (const auto& one : trace.runs)
        if (one.corrupted == corrupted) runs.push_back(&one);
    if (!runs.empty()) mean.runs.push_back(average_runs(runs));
  }
  return mean;
}

std::vector<TraceLocation> locate(const TraceRuns& runs, const std::string& component) {
  std::vector<TraceLocation> found;
  for (const auto& map : runs.maps) {
    if (map.component != component) continue;
    TraceLocation best{map.module, component, {}, {}, {}};
    for (size_t g = 0; g < map.groups.size(); ++g) {
      if (!holds_content(map.groups[g])) continue;
      for (size_t l = 0; l < map.layers.size(); ++l)
        if (map.effects[g][l].probability > best.effect.probability) {
          best.group = map.groups[g];
          best.layer = map.layers[l];
          best.effect = map.effects[g][l];
        }
    }
    if (best.layer.empty()) continue;
    const auto same = std::find_if(found.begin(), found.end(), [&](const auto& location) {
      return location.module == map.module;
    });
    if (same == found.end())
      found.push_back(best);
    else if (best.effect.probability > same->effect.probability)
      *same = best;
  }
  return found;
}

std::vector<int64_t> traced_layers(const TraceResult& result, Module module, int64_t count) {
  std::vector<double> effects;
  const auto add = [&](const TraceRuns& runs, const std::vector<const char*>& groups) {
    for (const auto& map : runs.maps) {
      if (map.module != module || map.component != "mlp") continue;
      for (const auto* group : groups) {
        const auto row = map.row(group);
        if (row < 0) continue;
        for (size_t l = 0; l < map.layers.size(); ++l) {
          const auto block = static_cast<size_t>(std::max<int64_t>(0, block_number(map.layers[l])));
          if (block >= kMaxBlocks)
            throw Error("editing::trace",
                        fmt::format("the trace names block {}, which no model has", block),
                        "use a trace that emend trace wrote");
          if (effects.size() <= block) effects.resize(block + 1, 0);
          effects[block] += map.effects[row][l].probability;
        }
        break;
      }
    }
  };
  for (const auto& runs : result.runs)
    if (module == Module::language && runs.corrupted == "text") add(runs, {"subject", "last"});
  if (effects.empty())
    for (const auto& runs : result.runs)
      if (runs.corrupted == "image") add(runs, {"image", "query tokens", "all"});
  if (effects.empty())
    throw Error("editing::trace",
                fmt::format("the trace has no MLP effects in {}", module_name(module)),
                module == Module::language
                    ? "name the subject of the question, or trace a question about a picture"
                    : "trace a question about a picture, with this module and with component mlp");
  std::vector<int64_t> order(effects.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return effects[a] > effects[b]; });
  // Blocks with less than a tenth of the largest effect do not carry the answer.
  const auto least = 0.1 * effects[static_cast<size_t>(order.front())];
  order.erase(std::remove_if(order.begin() + 1, order.end(),
                             [&](int64_t block) { return effects[block] < least; }),
              order.end());
  order.resize(std::min<size_t>(order.size(), static_cast<size_t>(std::max<int64_t>(count, 1))));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<Site> traced_sites(const Model& model, const TraceResult& result, Module module,
                               int64_t count, const std::vector<Site>& candidates) {
  const auto layers = traced_layers(result, module, count);
  std::vector<Site> found;
  for (const auto& site : candidates) {
    const auto& stage = model.stages()[site.stage];
    if (stage.module == module &&
        std::find(layers.begin(), layers.end(), block_number(stage.name)) != layers.end())
      found.push_back(site);
  }
  return found;
}

}  // namespace emend
