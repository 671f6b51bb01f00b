#include "models/sentence/sentence_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "io/error.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using Pooling = SentenceEncoder::Pooling;

constexpr int64_t kMaxSentenceSize = 1 << 20;

[[noreturn]] void not_implemented(const std::string& file, const std::string& what) {
  throw Error("models::sentence_encoder",
              fmt::format("'{}' requires {}, which is not implemented", file, what),
              "implemented: a Transformer, then Pooling by mean or CLS token, then Normalize");
}

Pooling read_pooling(const std::string& file) {
  const auto config = read_json_object(file);
  const JsonFields fields(file, config);
  std::vector<std::string> modes;
  for (const auto& [name, value] : config.items()) {
    if (name.starts_with("pooling_mode_")) {
      if (fields.boolean(name.c_str(), false)) modes.push_back(name.substr(13));
    } else if (name == "pooling_mode" && value.is_string()) {
      modes.push_back(value.get<std::string>());
    }
  }
  if (modes.empty()) return Pooling::mean;
  if (modes.size() > 1) not_implemented(file, "several pooling modes");
  if (modes[0] == "mean_tokens" || modes[0] == "mean") return Pooling::mean;
  if (modes[0] == "cls_token" || modes[0] == "cls") return Pooling::cls;
  not_implemented(file, fmt::format("pooling by '{}'", modes[0]));
}

// Returns the path of a module, which must be within the folder.
fs::path within(const fs::path& folder, const std::string& part, const std::string& file) {
  if (part.find("..") != std::string::npos || fs::path(part).is_absolute())
    not_implemented(file, fmt::format("the module '{}' outside of the folder", part));
  return part.empty() ? folder : folder / part;
}

// Reads the modules in the order in which they run.
void read_modules(SentenceFolder& made, const fs::path& folder) {
  const auto file = (folder / "modules.json").string();
  const auto modules = read_json(file);
  if (!modules.is_array()) not_implemented(file, "modules in a form other than a list");
  std::vector<std::string> order;
  for (const auto& module : modules) {
    const auto type = json_get<std::string>(module, "type", file);
    const auto path = within(folder, json_get<std::string>(module, "path", file), file);
    order.push_back(type.substr(type.rfind('.') + 1));
    if (order.back() == "Transformer") made.model = path.string();
    if (order.back() == "Pooling") made.pooling = read_pooling((path / "config.json").string());
  }
  made.normalized = order.size() == 3;
  using Order = std::vector<std::string>;
  if (order != Order{"Transformer", "Pooling"} &&
      order != Order{"Transformer", "Pooling", "Normalize"})
    not_implemented(file, fmt::format("the modules {}", fmt::join(order, ", ")));
}

// Returns the smallest of several length limits.
void read_length(SentenceFolder& made) {
  const auto file = made.file("tokenizer_config.json");
  if (is_file(file)) {
    const auto config = read_json_object(file);
    // An unlimited length is written as 1e30.
    const auto length =
        JsonFields(file, config)
            .number("model_max_length", static_cast<double>(kMaxSentenceSize), 1, 1e300);
    made.max_length = static_cast<int64_t>(std::min(length, static_cast<double>(kMaxSentenceSize)));
  }
  for (const char* name : {"sentence_bert_config.json", "sentence_distilbert_config.json"}) {
    if (!is_file(made.file(name))) continue;
    const auto config = read_json_object(made.file(name));
    const JsonFields fields(made.file(name), config);
    made.max_length = std::min(
        made.max_length, fields.integer("max_seq_length", made.max_length, 1, kMaxSentenceSize));
    fields.expect_flag("do_lower_case", false);
  }
}

}  // namespace

std::string SentenceFolder::file(const std::string& name) const {
  return (fs::path(model) / name).string();
}

std::string SentenceFolder::canonical() const {
  return fmt::format("{} {} {}", pooling == Pooling::cls ? "cls" : "mean", normalized, max_length);
}

SentenceFolder SentenceFolder::read(const std::string& folder, Pooling otherwise) {
  if (!is_folder(folder))
    throw Error("models::sentence_encoder", fmt::format("'{}' is not a folder", folder),
                "use a Hugging Face folder of BERT or DistilBERT");
  SentenceFolder made{folder, otherwise, false, kMaxSentenceSize};
  if (is_file(fs::path(folder) / "modules.json")) read_modules(made, folder);
  read_length(made);
  return made;
}

}  // namespace emend
