#include "evaluation/training/train_editor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <optional>
#include <random>

#include "io/error.h"
#include "io/files/path.h"
#include "io/json/json_difference.h"
#include "io/log.h"
#include "io/processes/same_run.h"
#include "io/progress.h"
#include "io/runtime.h"
#include "models/core/precision.h"

namespace emend {
namespace {

constexpr size_t kCollectedTogether = 16;  // records whose features are computed together

using Clock = std::chrono::steady_clock;

// The order of records: all of them, shuffled again for each epoch.
class Order {
 public:
  Order(size_t first, size_t end, int64_t seed) : first_(first), size_(end - first), seed_(seed) {}
  size_t at(int64_t number) {
    const auto round = number / static_cast<int64_t>(size_);
    if (round != round_ || order_.empty()) {
      order_.resize(size_);
      std::iota(order_.begin(), order_.end(), first_);
      std::mt19937_64 random(static_cast<uint64_t>(seed_) * 1000003 + static_cast<uint64_t>(round));
      for (size_t i = size_; i > 1; --i) std::swap(order_[i - 1], order_[random() % i]);
      round_ = round;
    }
    return order_[static_cast<size_t>(number) % size_];
  }

 private:
  size_t first_, size_;
  int64_t seed_, round_ = -1;
  std::vector<size_t> order_;
};

// The validation records. Computations that no edit changes are done once.
class Validation {
 public:
  Validation(const Vlm& vlm, const TrainableEditor& trainable, const TrainJob& job)
      : vlm_(vlm), job_(job) {
    MeasureOptions options;
    options.store = job.store;
    options.boundaries = {trainable.as_editor()->first_stage(*vlm.model)};
    for (int64_t i = 0; i < trainable.training().validation; ++i) {
      auto record = job.suite->record(static_cast<size_t>(i));
      requests_.push_back(example_of(record, job.protocol, false).edit);
      befores_.push_back(measure_baseline(vlm, record, job.protocol, {}, options));
    }
  }
  std::map<Group, Score> measure(const Editor& editor) const {
    Averages averages;
    for (size_t i = 0; i < requests_.size(); ++i) {
      // Pictures of a record are used in every validation.
      auto* store = befores_[i].store;
      EditContext context;
      context.store = store;
      auto patch = editor.edit(vlm_, {requests_[i]}, context);
      averages.add(emend::measure(vlm_, befores_[i], patch.interventions(vlm_, store)));
    }
    return averages.scores();
  }

 private:
  const Vlm& vlm_;
  const TrainJob& job_;
  std::vector<EditRequest> requests_;
  std::vector<Baseline> befores_;
};

// Sums since the last validation.
struct Sums {
  double generality = 0, image = 0, text = 0, ranks = 0;
  int64_t steps = 0;

  void add(const EditLosses& losses) {
    if (!std::isfinite(losses.generality + losses.image_locality + losses.text_locality)) return;
    generality += losses.generality;
    image += losses.image_locality;
    text += losses.text_locality;
    ranks += losses.ranks;
    ++steps;
  }
  nlohmann::json means() const {
    const auto n = static_cast<double>(std::max<int64_t>(steps, 1));
    return {{"generality", generality / n},
            {"image_locality", image / n},
            {"text_locality", text / n},
            {"ranks", ranks / n}};
  }
  nlohmann::json state() const { return {generality, image, text, ranks, steps}; }
  void load(const nlohmann::json& state) {
    generality = state.at(0), image = state.at(1), text = state.at(2), ranks = state.at(3);
    steps = state.at(4);
  }
};

// The validation score: the mean over groups without Portability.
double mean_score(const std::map<Group, Score>& scores) {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [group, score] : scores) {
    if (group == Group::portability) continue;
    sum += score.score;
    ++count;
  }
  return count ? sum / static_cast<double>(count) : 0;
}

std::string shown(const std::map<Group, Score>& scores) {
  std::string text;
  for (auto group : groups()) {
    auto found = scores.find(group);
    if (found == scores.end()) continue;
    text += fmt::format("{}{} {:.1f}", text.empty() ? "" : ", ", group_name(group),
                        100 * found->second.score);
  }
  return text;
}

// Saves the best networks so far in the dtype of the job, in case no better ones follow.
void convert_output(const TrainJob& job, const EditorCheckpoint& state, bool calibrated) {
  if (!is_file(job.output)) return;
  const auto best = load_checkpoint(job.output, state.editor, state.base);
  if (best.dtype == job.dtype) return;
  if (best.dtype == at::kFloat && !calibrated)
    save_checkpoint(job.output, best, job.dtype);
  else
    logger().warn("'{}' keeps dtype {} until validation improves, because {}", job.output,
                  dtype_name(best.dtype),
                  calibrated ? "its calibration keys were computed with these weights"
                             : "its tensors were saved in bf16");
}

// Whether the processes of the job can share the examples of a step.
void check_group(const TrainableEditor& trainable, const ProcessGroup& group) {
  if (!trainable.has_independent_examples())
    throw Error("evaluation::train",
                fmt::format("{} compares all examples of a step with each other, so several "
                            "processes cannot share them",
                            trainable.editor()),
                "use one process");
  const auto batch = trainable.training().batch;
  if (batch % group.size() != 0)
    throw Error("evaluation::train",
                fmt::format("a step of {} examples cannot be divided among {} processes", batch,
                            group.size()),
                fmt::format("use a multiple of {}, such as --set batch={}", group.size(),
                            (batch / group.size() + 1) * group.size()));
}

// What must be the same in all processes of a training.
nlohmann::json shared_part(const EditorCheckpoint& file, const TrainJob& job) {
  nlohmann::json run = {{"editor", file.editor},
                        {"model", file.base},
                        {"settings", file.settings},
                        {"resume", job.resume}};
  for (const char* field : {"suite", "protocol", "bos", "seed", "from"})
    if (file.training.contains(field)) run[field] = file.training.at(field);
  return run;
}

void check(const TrainableEditor& trainable, const TrainJob& job) {
  if (job.group) check_group(trainable, *job.group);
  const auto validation = trainable.training().validation;
  const auto calibration = trainable.calibration_records();
  if (job.suite->size() < static_cast<size_t>(validation + calibration) + 1)
    throw Error("evaluation::train",
                fmt::format("the suite has {} records, but {} are needed for validation{}",
                            job.suite->size(), validation,
                            calibration > 0 ? fmt::format(" and {} for calibration", calibration)
                                            : std::string()),
                calibration > 0
                    ? "use fewer of them (--set validation=N calibration=N) or a larger "
                      "suite"
                    : "use fewer validation records (--set validation=N) or a larger "
                      "suite");
}

// Gives the records that are kept out of training, and those of the pool, to the networks.
void collect(TrainableEditor& trainable, const TrainJob& job) {
  auto next = static_cast<size_t>(trainable.training().validation);
  auto read = [&](const char* what, int64_t records, auto&& give) {
    if (records == 0) return;
    Progress progress(what, records, 0);
    for (int64_t done = 0; done < records;) {
      std::vector<EditExample> examples;
      for (; done < records && examples.size() < kCollectedTogether; ++done)
        examples.push_back(example_of(job.suite->record(next++), job.protocol, false));
      give(examples);
      progress.set(done);
    }
  };
  read("calibration records", trainable.calibration_records(),
       [&](const std::vector<EditExample>& examples) { trainable.add_calibration(examples); });
  const auto left = static_cast<int64_t>(job.suite->size() - next);
  read("features of records", std::min(trainable.pooled_records(), left),
       [&](const std::vector<EditExample>& examples) { trainable.pool(examples); });
}

// What must not change when a training is resumed.
nlohmann::json training_options(const EditorCheckpoint& checkpoint) {
  nlohmann::json options = {{"settings", checkpoint.settings}};
  for (const char* name : {"seed", "suite", "protocol"})
    options[name] = checkpoint.training.value(name, nlohmann::json());
  return options;
}

void check_same_training(const EditorCheckpoint& now, const EditorCheckpoint& state,
                         const std::string& file) {
  if (const auto difference = first_json_difference(training_options(now), training_options(state)))
    throw Error("evaluation::train",
                fmt::format("'{}' was made with other settings: {} was {} and is now {}", file,
                            difference->field, difference->theirs, difference->ours),
                fmt::format("resume with the same settings, or start another training from it with "
                            "--from '{}' and another -o",
                            file));
}

// The state of an interrupted training. Rank 0 reads it from `path`, and the others receive it.
EditorCheckpoint resumed_state(const TrainJob& job, const EditorCheckpoint& now,
                               const std::string& path) {
  constexpr const char* kKey = "resumed state";
  EditorCheckpoint state;
  if (!job.group || job.group->writes()) {
    state = load_checkpoint(path, now.editor, now.base);
    check_same_training(now, state, path);
  }
  if (!job.group) return state;
  if (job.group->writes()) {
    auto shapes = nlohmann::json::object();
    for (const auto& [name, tensor] : state.tensors) shapes[name] = tensor.sizes().vec();
    job.group->set(kKey, nlohmann::json::array({state.training, shapes}).dump());
  } else {
    const auto described = nlohmann::json::parse(job.group->wait(kKey, 0));
    state.training = described.at(0);
    for (const auto& [name, shape] : described.at(1).items())
      state.tensors[name] = at::zeros(shape.get<std::vector<int64_t>>());
  }
  std::vector<at::Tensor> tensors;
  for (const auto& named : state.tensors) tensors.push_back(named.second);
  job.group->sum(tensors);  // of rank 0's and zeros
  return state;
}

}  // namespace

EditExample example_of(const Record& record, const Protocol& protocol, bool own) {
  EditExample example;
  example.edit = {record.image, edit_prompt(protocol, record),
                  continuation(protocol, record.target), record.before};
  example.edit.fact = record.fact;
  if (own)
    example.generality.push_back(
        {example.edit.image, example.edit.prompt, example.edit.target, record.fact});
  for (const auto& probe : record.probes) {
    if (probe.group == Group::reliability) continue;
    TargetQuery query{probe.image, probe_prompt(protocol, record, probe),
                      continuation(protocol, probe.answer), probe.fact};
    auto& where = probe.group == Group::portability ? example.consequences
                  : !is_locality(probe.group)       ? example.generality
                  : probe.image.present()           ? example.image_locality
                                                    : example.text_locality;
    where.push_back(std::move(query));
  }
  return example;
}

nlohmann::json train_editor(const Vlm& vlm, TrainableEditor& trainable, const TrainJob& job) {
  check(trainable, job);
  const auto& settings = trainable.training();
  const auto state_file = job.output + ".state";
  EditorCheckpoint file;
  file.editor = trainable.editor();
  file.base = vlm.fingerprint();
  file.settings = trainable.settings();
  file.training = {{"suite", job.suite->metadata()},
                   {"protocol", job.protocol.name},
                   {"bos", to_json(job.protocol, vlm).at("bos")},
                   {"seed", job.seed},
                   {"history", nlohmann::json::array()},
                   {"best", nullptr},
                   {"worse_in_a_row", 0},
                   {"seconds", 0.0}};
  Trainer trainer(trainable, job.group);
  const bool writes = !job.group || job.group->writes();
  const auto any = [&](bool flag) { return job.group ? job.group->any(flag) : flag; };
  Sums sums;
  if (!job.from.empty() && !job.resume) {
    auto earlier = load_checkpoint(job.from, trainable.initial_editors(), file.base);
    // OUTPUT.state is allowed, too; its optimizer state is not used.
    for (auto it = earlier.tensors.begin(); it != earlier.tensors.end();)
      it = it->first.starts_with("adam.") ? earlier.tensors.erase(it) : std::next(it);
    trainable.load(earlier.tensors, job.from);
    for (const char* key : {"history", "sums"}) earlier.training.erase(key);
    file.training["from"] = {{"settings", earlier.settings}, {"training", earlier.training}};
  }
  if (job.group) check_same_run(*job.group, shared_part(file, job));
  if (job.resume) {
    auto state = resumed_state(job, file, state_file);
    trainer.load(state.tensors, state_file);
    sums.load(state.training.at("sums"));
    state.training.erase("sums");
    file.training = state.training;
    if (writes) convert_output(job, file, trainable.calibration_records() > 0);
  }
  if (job.restart && writes)
    for (const auto& path : {job.output, state_file}) std::filesystem::remove(path);
  auto save_state = [&] {
    if (!writes) return;
    auto state = file;
    state.training["sums"] = sums.state();
    state.tensors = trainer.state();
    save_checkpoint(state_file, state);
  };

  const Validation validation(vlm, trainable, job);
  const auto held_out = settings.validation + trainable.calibration_records();
  collect(trainable, job);
  Order order(static_cast<size_t>(held_out), job.suite->size(), job.seed);
  InterruptGuard guard;
  std::optional<Progress> progress;
  if (writes)
    progress.emplace(fmt::format("training {}", file.editor), settings.steps, trainer.steps());
  const auto begin = Clock::now();
  const double seconds_before = file.training.at("seconds");
  auto validate_averaged = [&] {
    const Trainer::AveragedNetworks averaged(trainer);
    auto scores = validation.measure(*trainable.as_editor());
    auto score = mean_score(scores);
    nlohmann::json entry = sums.means();
    entry["step"] = trainer.steps();
    entry["scores"] = to_json(scores);
    entry["mean_score"] = score;
    auto& training = file.training;
    training["history"].push_back(entry);
    training["skipped_steps"] = trainer.skipped();
    training["seconds"] =
        seconds_before + std::chrono::duration<double>(Clock::now() - begin).count();
    if (writes)
      logger().info(
          "step {}: generality {:.4f}, locality image {:.5f} text {:.5f}, ranks {:.4f}; {}",
          trainer.steps(), entry["generality"].get<double>(),
          entry["image_locality"].get<double>(), entry["text_locality"].get<double>(),
          entry["ranks"].get<double>(), shown(scores));
    // Of equal scores, the last one is the best, because a small validation does not tell them
    // apart.
    const double best =
        training["best"].is_null() ? -1 : training["best"]["mean_score"].get<double>();
    training["worse_in_a_row"] = score > best ? 0 : training["worse_in_a_row"].get<int64_t>() + 1;
    if (score >= best) {
      training["best"] = entry;
      file.tensors = trainable.tensors_in(job.dtype);
      if (writes) save_checkpoint(job.output, file, job.dtype);
      file.tensors.clear();
    }
    sums = {};
    return scores.count(Group::reliability) ? scores.at(Group::reliability).score : 0;
  };
  auto validate = [&] {
    trainable.on_validation(validate_averaged());
    save_state();
  };
  auto stalled = [&] {
    return settings.patience > 0 && file.training["worse_in_a_row"] >= settings.patience;
  };

  bool interrupted = false;
  const auto goes_on = [&] {
    interrupted = any(InterruptGuard::interrupted());
    return !interrupted && !any(stalled());
  };
  const int64_t rank = job.group ? job.group->rank() : 0, size = job.group ? job.group->size() : 1;
  while (trainer.steps() < settings.steps && goes_on()) {
    std::vector<EditExample> examples;
    for (int64_t i = rank; i < settings.batch && trainable.pooled_records() == 0; i += size) {
      const auto number = trainer.steps() * settings.batch + i;
      examples.push_back(example_of(job.suite->record(order.at(number)), job.protocol,
                                    settings.include_edit_prompt));
    }
    auto losses = trainer.step(examples);
    sums.add(losses);
    if (progress) {
      progress->note(fmt::format("loss {:.4f}, locality {:.5f}", losses.generality,
                                 losses.image_locality + losses.text_locality));
      progress->set(trainer.steps());
    }
    if (trainer.steps() % settings.validate == 0 || trainer.steps() == settings.steps) validate();
  }
  if (interrupted) {
    save_state();
    logger().warn("stopped at step {}; use --resume to continue from '{}'", trainer.steps(),
                  state_file);
  }
  auto facts = file.training;
  facts["steps"] = trainer.steps();
  facts["interrupted"] = interrupted;
  return facts;
}

}  // namespace emend
