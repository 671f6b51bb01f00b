#include "editing/statistics/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <list>
#include <optional>
#include <tuple>
#include <utility>

#include "editing/statistics/collect_state.h"
#include "editing/statistics/moments_file.h"
#include "editing/statistics/site_collector.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/processes/same_run.h"
#include "io/progress.h"
#include "io/runtime.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

using CollectClock = std::chrono::steady_clock;

constexpr size_t kBatchRows = 8;

double seconds_since(CollectClock::time_point begin) {
  return std::chrono::duration<double>(CollectClock::now() - begin).count();
}

std::string state_file(const std::string& output, int rank) {
  return output + (rank == 0 ? ".state" : fmt::format(".state.{}", rank));
}
std::string state_file(const CollectMomentsJob& job) {
  return state_file(job.output, job.group ? job.group->rank() : 0);
}
std::string part_file(const std::string& output, size_t group) {
  return fmt::format("{}.part{}", output, group);
}

std::vector<std::vector<Site>> grouped(const Model& model, const CollectMomentsJob& job) {
  std::vector<std::vector<Site>> groups;
  uint64_t used = 0;
  for (const auto& site : job.sites) {
    const auto bytes = SiteCollector::bytes(model, site);
    if (groups.empty() || used + bytes > job.memory_bytes) {
      groups.emplace_back();
      used = 0;
    }
    groups.back().push_back(site);
    used += bytes;
  }
  return groups;
}

void cut_row(Row& row, int64_t max_length) {
  const auto length = static_cast<size_t>(max_length);
  if (row.ids.size() <= length) return;
  const auto cut = row.ids.begin() + static_cast<int64_t>(length);
  if (std::find(cut, row.ids.end(), kImageToken) != row.ids.end())
    throw Error("editing::statistics",
                fmt::format("a length of {} positions would cut a picture", max_length),
                "use a larger --max-length");
  row.ids.resize(length);
  if (!row.segments.empty()) row.segments.resize(length);
  row.prompt_length = std::min(row.prompt_length, max_length);
}

Batch batch_of(const Vlm& vlm, const std::vector<TargetQuery>& queries, int64_t max_length) {
  Batch batch;
  if (queries.front().target.empty())
    for (const auto& query : queries) batch.rows.push_back(vlm.processor.row(query.prompt));
  else
    batch = force(vlm, queries, /*end_of_answer=*/false).batch;
  for (auto& row : batch.rows) cut_row(row, max_length);
  return batch;
}

// The pass before the first site. Features of pictures come from the store if it is after them.
Pass pass_before(const Vlm& vlm, const Batch& batch, size_t first_site, ActivationStore* store) {
  const auto& model = *vlm.model;
  const auto connector = model.first_stage(Module::connector);
  if (store && batch.pixels.defined() && first_site >= connector)
    return forward_until(vlm, batch, connector, {}, store);
  return model.collate(batch);
}

// Collects a group of sites from the samples.
class GroupCollection {
 public:
  GroupCollection(const Vlm& vlm, const CollectMomentsJob& job, const std::vector<Site>& sites)
      : vlm_(vlm), job_(job), first_(first_stage_of(*vlm.model, sites)) {
    for (const auto& site : sites) {
      collectors_.emplace_back(*vlm.model, site);
      last_ = std::max(last_, site.stage);
    }
  }

  void run(const std::vector<TargetQuery>& queries) {
    at::NoGradGuard no_grad;
    for (size_t begin = 0; begin < queries.size(); begin += kBatchRows) {
      const auto end = std::min(begin + kBatchRows, queries.size());
      const auto batch = batch_of(vlm_,
                                  {queries.begin() + static_cast<int64_t>(begin),
                                   queries.begin() + static_cast<int64_t>(end)},
                                  job_.samples.source.max_length);
      auto pass = pass_before(vlm_, batch, first_, job_.store);
      const auto kinds = PositionKinds::of(pass);
      Interventions observers;
      for (auto& collector : collectors_) observers.push_back(collector.observer(kinds));
      vlm_.model->run(pass, last_, observers);
    }
  }

  void sum_over(ProcessGroup& group) {
    for (auto& collector : collectors_) collector.sum_over(group);
  }

  std::map<std::string, at::Tensor> tensors() const {
    std::map<std::string, at::Tensor> tensors;
    for (const auto& collector : collectors_) collector.save(tensors);
    return tensors;
  }
  void load(const std::map<std::string, at::Tensor>& tensors) {
    for (auto& collector : collectors_) collector.load(tensors);
  }
  std::vector<PackedMoments> moments() {
    std::vector<PackedMoments> all;
    for (auto& collector : collectors_) {
      all.push_back(collector.moments());
      if (all.back().text_count + all.back().image_count == 0)
        throw Error("editing::statistics",
                    fmt::format("no position of the samples reaches {}", all.back().site),
                    "use samples with pictures for vision tower and connector (--suite)");
    }
    return all;
  }

 private:
  const Vlm& vlm_;
  const CollectMomentsJob& job_;
  size_t first_, last_ = 0;
  std::list<SiteCollector> collectors_;  // observers point to them
};

nlohmann::json names_of(const std::vector<std::vector<Site>>& groups) {
  auto names = nlohmann::json::array();
  for (const auto& group : groups) {
    names.push_back(nlohmann::json::array());
    for (const auto& site : group) names.back().push_back(site.name);
  }
  return names;
}

nlohmann::json facts_of(const Vlm& vlm, const CollectMomentsJob& job) {
  return {{"source", job.samples.source.to_json()},
          {"batch_rows", kBatchRows},
          {"sums", fmt::format("float32 products of {} positions, added in float64",
                               MomentAccumulator::kBlock)},
          {"bos", vlm.processor.bos == Processor::Bos::always  ? "always"
                  : vlm.processor.bos == Processor::Bos::never ? "never"
                                                               : "released"},
          {"settings", job.settings},
          {"made_by", std::string("emend ") + EMEND_VERSION}};
}

// Joins the files of the groups.
void write_output(const Vlm& vlm, const CollectMomentsJob& job, size_t groups,
                  const nlohmann::json& facts) {
  std::vector<PackedMoments> all;
  for (size_t group = 0; group < groups; ++group) {
    const auto part = MomentsFile::open(part_file(job.output, group));
    for (const auto& site : part.sites()) all.push_back(part.read_packed(site));
  }
  MomentsFile::write(job.output, vlm.fingerprint(), facts, all);
}

// Whether each flag is set in any process. All processes must call this.
std::pair<bool, bool> any_of(ProcessGroup& group, bool first, bool second) {
  const auto counts = at::tensor({first ? 1.0 : 0.0, second ? 1.0 : 0.0}, at::kDouble);
  group.sum({counts});
  return {counts[0].item<double>() > 0, counts[1].item<double>() > 0};
}

// The processes of a group replace their states together, so that they can continue after one of
// them was killed.
void save_state(const CollectState& state, const CollectMomentsJob& job) {
  const auto path = state_file(job);
  if (!job.group) return state.save(path);
  state.save(path + ".new");
  job.group->any(false);  // the new states of all processes are complete
  std::filesystem::rename(path + ".new", path);
}

void remove_state(const std::string& output, int rank) {
  std::error_code error;
  for (const char* ending : {"", ".new"})
    std::filesystem::remove(state_file(output, rank) + ending, error);
}

void remove_leftovers(const std::string& output) {
  std::error_code error;
  for (int rank = 0;
       std::filesystem::remove(state_file(output, rank), error) || rank == 0; ++rank) {
  }
  for (size_t group = 0; std::filesystem::remove(part_file(output, group), error); ++group) {
  }
}

}  // namespace

void discard_moments(const std::string& output, int rank) {
  remove_state(output, rank);
  if (rank != 0) return;
  remove_leftovers(output);
  std::error_code error;
  std::filesystem::remove(output, error);
}

nlohmann::json collect_moments(const Vlm& vlm, const CollectMomentsJob& job) {
  const auto groups = grouped(*vlm.model, job);
  const auto facts = facts_of(vlm, job);
  CollectState state;
  state.run = {{"model", vlm.fingerprint()}, {"facts", facts}, {"groups", names_of(groups)}};
  if (job.group) state.run["processes"] = job.group->size();
  if (path_exists(state_file(job))) state = CollectState::load(state_file(job), state.run);
  if (job.group) {
    auto run = state.run;
    run["state"] = {{"group", state.group}, {"sample", state.sample}};
    check_same_run(*job.group, run);
  }
  const auto samples = job.samples.source.samples;
  const bool writes = !job.group || job.group->writes();
  std::optional<Progress> progress;
  if (writes)
    progress.emplace("collecting statistics", samples * static_cast<int64_t>(groups.size()),
                     state.group * samples + state.sample);
  InterruptGuard guard;
  const auto begin = CollectClock::now();
  auto saved = begin;

  for (auto g = static_cast<size_t>(state.group); g < groups.size(); ++g) {
    GroupCollection group(vlm, job, groups[g]);
    if (!state.tensors.empty()) group.load(state.tensors);
    state.tensors.clear();
    state.group = static_cast<int64_t>(g);
    const auto save = [&] {
      auto now = state;
      now.tensors = group.tensors();
      save_state(now, job);
      saved = CollectClock::now();
    };
    std::vector<TargetQuery> next;  // the rows of the next sample, if they are known
    int64_t batch = 0;
    while (state.sample < samples) {
      // Samples of few rows share a batch; a sample is not divided if its rows fit into one.
      std::vector<TargetQuery> queries;
      while (state.sample < samples) {
        if (next.empty()) next = job.samples.queries(state.sample);
        if (!queries.empty() && queries.size() + next.size() > kBatchRows) break;
        queries.insert(queries.end(), next.begin(), next.end());
        next.clear();
        ++state.sample;
        if (progress) progress->advance();
      }
      if (!job.group || batch++ % job.group->size() == job.group->rank()) group.run(queries);
      bool interrupted = InterruptGuard::interrupted();
      bool due = seconds_since(saved) > job.seconds_between_states;
      if (job.group) std::tie(interrupted, due) = any_of(*job.group, interrupted, due);
      if (interrupted || due) save();
      if (interrupted) {
        return {{"interrupted", true},
                {"done", state.group * samples + state.sample},
                {"total", samples * static_cast<int64_t>(groups.size())}};
      }
    }
    if (job.group) group.sum_over(*job.group);
    if (writes)
      MomentsFile::write(part_file(job.output, g), vlm.fingerprint(), facts, group.moments());
    state.sample = 0;
    state.group = static_cast<int64_t>(g) + 1;
    if (state.group < static_cast<int64_t>(groups.size())) save_state(state, job);
  }
  if (job.group) remove_state(job.output, job.group->rank());
  if (!writes) return {{"interrupted", false}};
  write_output(vlm, job, groups.size(), facts);
  remove_leftovers(job.output);
  return {{"sites", MomentsFile::open(job.output).counts()},
          {"source", facts.at("source")},
          {"passes", groups.size()},
          {"seconds", seconds_since(begin)},
          {"interrupted", false}};
}

}  // namespace emend
