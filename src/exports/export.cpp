#include "exports/export.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "exports/gguf/gguf_adapter.h"
#include "exports/gguf/gguf_model.h"
#include "exports/gguf/gguf_source.h"
#include "exports/merged_folder.h"
#include "exports/peft_adapter.h"
#include "io/error.h"

namespace emend {
namespace {

// What folders and GGUF files have in common.
template <class Written>
void take_written(Written& written, ExportResult& result) {
  result.tensors = written.tensors;
  result.changed = written.changed;
  result.bytes = written.bytes;
  result.rounding = std::move(written.rounding);
  result.notes = std::move(written.notes);
}

void export_folder(const Vlm& vlm, const PatchStack& stack, const ExportOptions& options,
                   ExportResult& result) {
  static const std::map<std::string, at::ScalarType> dtypes{
      {"bf16", at::kBFloat16}, {"fp16", at::kHalf}, {"fp32", at::kFloat}};
  MergedFolderOptions folder;
  folder.begin = options.begin;
  folder.written = options.written;
  if (auto found = dtypes.find(options.dtype); found != dtypes.end()) folder.dtype = found->second;
  auto written = write_merged_folder(vlm, stack, result.output, folder);
  take_written(written, result);
}

void export_gguf(const Vlm& vlm, const PatchStack& stack, const ExportOptions& options,
                 ExportResult& result) {
  static const std::map<std::string, std::optional<GgufType>> types{{"stored", std::nullopt},
                                                                    {"bf16", GgufType::bf16},
                                                                    {"fp16", GgufType::f16},
                                                                    {"fp32", GgufType::f32},
                                                                    {"q8_0", GgufType::q8_0}};
  GgufModelOptions model;
  model.begin = options.begin;
  model.written = options.written;
  if (!options.dtype.empty()) model.type = types.at(options.dtype);
  model.pre_tokenizer = options.pre_tokenizer;
  auto written = write_gguf_model(vlm, stack, result.output, model);
  take_written(written, result);
  result.projector = std::move(written.projector);
}

}  // namespace

const std::vector<std::string>& export_formats() {
  static const std::vector<std::string> formats = {"hf", "peft", "gguf", "gguf-lora"};
  return formats;
}

std::string export_obstacle(const std::string& folder, const std::string& format) {
  if (!exports_file(format)) return {};
  try {
    const GgufSource source(folder);
    return {};
  } catch (const Error& error) {
    return without_places(error.what());
  }
}

bool exports_file(const std::string& format) { return format == "gguf" || format == "gguf-lora"; }

void check_export_options(const ExportOptions& options) {
  const auto refuse = [](const std::string& problem, const char* hint) {
    throw Error("exports::export", problem, hint);
  };
  const auto& format = options.format;
  if (!options.dtype.empty() && (format == "peft" || format == "gguf-lora"))
    refuse("--weights-dtype is for --to hf and --to gguf; adapters are fp32", "leave it out");
  if (options.dtype == "q8_0" && format != "gguf")
    refuse("--weights-dtype q8_0 is for --to gguf", "use stored, bf16, fp16 or fp32");
  if (!options.pre_tokenizer.empty() && format != "gguf")
    refuse("--gguf-pre is for --to gguf", "leave it out");
  const bool bounded = options.low_rank.max_error != LowRankOptions().max_error;
  if ((options.low_rank.rank || bounded) && format != "peft" && format != "gguf-lora")
    refuse(fmt::format("{} is for --to peft and --to gguf-lora",
                       options.low_rank.rank ? "--rank" : "--max-error"),
           "leave it out; a model has the exact changes");
  if (options.low_rank.rank && bounded)
    refuse("--rank and --max-error are two ways to choose the rank", "leave one of them out");
}

ExportResult export_stack(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                          const ExportOptions& options) {
  ExportResult result;
  result.format = options.format;
  result.output = output;
  if (options.format == "hf")
    export_folder(vlm, stack, options, result);
  else if (options.format == "gguf")
    export_gguf(vlm, stack, options, result);
  else if (options.format == "gguf-lora")
    result.layers = write_gguf_adapter(vlm, stack, output, options.low_rank);
  else
    result.layers = write_peft_adapter(vlm, stack, output, options.low_rank);
  return result;
}

nlohmann::json to_json(const ExportResult& result) {
  nlohmann::json json = {{"kind", "export"},
                         {"format", result.format},
                         {exports_file(result.format) ? "file" : "folder", result.output}};
  if (result.format == "peft" || result.format == "gguf-lora") {
    json["layers"] = nlohmann::json::array();
    for (const auto& layer : result.layers)
      json["layers"].push_back(
          {{"site", layer.site}, {"rank", layer.rank}, {"error", layer.error}});
    return json;
  }
  json["tensors"] = result.tensors;
  json["changed"] = result.changed;
  json["bytes"] = result.bytes;
  json["rounding"] = result.rounding.largest;
  json["rounded"] = result.rounding.weight;
  json["notes"] = result.notes;
  if (result.format == "gguf") json["projector"] = result.projector;
  return json;
}

}  // namespace emend
