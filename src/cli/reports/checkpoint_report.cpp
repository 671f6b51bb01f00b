#include "cli/reports/checkpoint_report.h"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/output_file.h"
#include "editing/targets/target_modules.h"
#include "editing/training/checkpoint.h"
#include "io/tensors/safetensors.h"

namespace emend::cli {
namespace {

using nlohmann::json;

// The value at a path of an object from a file; null if there is none.
json value_at(const json& object, const char* path) {
  const json::json_pointer where(path);
  return object.contains(where) ? object.at(where) : json();
}

struct CheckpointFacts {
  EditorCheckpoint checkpoint;
  json module, steps, best_step, best_score, records, suite;
  size_t tensors = 0;
  int64_t parameters = 0;
  bool is_state = false;  // the file is OUTPUT.state, which also has the state of the optimizer
};

CheckpointFacts facts_of(const std::string& path) {
  CheckpointFacts facts;
  facts.checkpoint = describe_checkpoint(path);
  const auto& [editor, base, settings, training, tensors, made_by, dtype] = facts.checkpoint;
  facts.module = value_at(settings, "/module");
  if (facts.module.is_string()) facts.module = canonical_module(facts.module.get<std::string>());
  if (const auto history = value_at(training, "/history"); history.is_array() && !history.empty())
    facts.steps = value_at(history.back(), "/step");
  facts.best_step = value_at(training, "/best/step");
  facts.best_score = value_at(training, "/best/mean_score");
  facts.records = value_at(training, "/records");
  facts.suite = value_at(training, "/suite/name");
  const auto file = SafetensorsFile::open(path);
  for (const auto& [name, info] : file->tensors()) {
    ++facts.tensors;
    facts.parameters += c10::multiply_integers(info.shape);
    facts.is_state |= name.starts_with("adam.");
  }
  return facts;
}

void print_json_of(const std::string& path, const CheckpointFacts& facts) {
  const auto& checkpoint = facts.checkpoint;
  print_json({{"kind", facts.is_state ? "training state" : "trained editor"},
              {"path", path},
              {"editor", checkpoint.editor},
              {"module", facts.module},
              {"base", checkpoint.base},
              {"steps", facts.steps},
              {"best_step", facts.best_step},
              {"best_score", facts.best_score},
              {"records", facts.records},
              {"settings", checkpoint.settings},
              {"training", checkpoint.training},
              {"tensors", facts.tensors},
              {"parameters", facts.parameters},
              {"dtype", dtype_name(checkpoint.dtype)},
              {"made_by", checkpoint.made_by},
              {"version", EMEND_VERSION}});
}

}  // namespace

bool is_checkpoint(const std::string& path) { return file_format(path) == "emend-editor"; }

void print_checkpoint(const std::string& path, bool json) {
  const auto facts = facts_of(path);
  if (json) return print_json_of(path, facts);
  const auto& checkpoint = facts.checkpoint;
  const auto line = [](const char* name, const std::string& text) {
    if (!text.empty()) std::cout << fmt::format("  {:<10}{}\n", name, text);
  };
  const auto text = [](const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
  };
  line(facts.is_state ? "state" : "trained",
       facts.is_state ? path + "  (emend train --resume continues it)" : path);
  line("editor", checkpoint.editor);
  line("module", text(facts.module));
  line("base", checkpoint.base + "  (the model that it was trained for)");
  std::string steps = text(facts.steps);
  if (facts.best_step.is_number() && facts.best_score.is_number())
    steps += fmt::format("; best at step {}, mean score {:.1f} %", facts.best_step.dump(),
                         100 * facts.best_score.get<double>());
  line("steps", steps);
  line("records", text(facts.records));
  line("suite", text(facts.suite));
  line("tensors", fmt::format("{} with {} values, {}", facts.tensors, facts.parameters,
                              dtype_name(checkpoint.dtype)));
  line("settings", checkpoint.settings.dump());
  line("made by", checkpoint.made_by);
  if (!facts.is_state)
    line("use",
         fmt::format("emend edit --editor {}{} --set checkpoint={} ...", checkpoint.editor,
                     facts.module.is_string() ? " --module " + text(facts.module) : "", path));
}

}  // namespace emend::cli
