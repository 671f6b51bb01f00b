#include "models/vlm.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "io/cpu.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/log.h"
#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

// The dtype of most of the stored bytes: float32, bfloat16 or half.
at::ScalarType stored_dtype(const Checkpoint& checkpoint) {
  std::map<at::ScalarType, int64_t> bytes;
  for (const auto& name : checkpoint.names()) {
    const auto& info = checkpoint.info(name);
    const auto size = static_cast<int64_t>(c10::elementSize(info.dtype));
    bytes[size == 2 ? info.dtype : at::kFloat] += size * c10::multiply_integers(info.shape);
  }
  const auto narrow = bytes[at::kHalf] > bytes[at::kBFloat16] ? at::kHalf : at::kBFloat16;
  return bytes[at::kHalf] + bytes[at::kBFloat16] > bytes[at::kFloat] ? narrow : at::kFloat;
}

void check_dtype(at::ScalarType dtype, at::Device device) {
  if (dtype == at::kFloat || dtype == at::kBFloat16) return;
  if (dtype == at::kHalf && !device.is_cpu()) return;
  throw Error(
      "models::load",
      fmt::format("computing in {} on {} is not supported", dtype_name(dtype), device.str()),
      "use fp32 or bf16, or on CUDA also fp16");
}

}  // namespace

Vlm load_vlm(const std::string& folder, const LoadOptions& options) {
  namespace fs = std::filesystem;
  if (!is_folder(folder))
    throw Error("models::load", fmt::format("'{}' is not a folder", folder),
                "use a Hugging Face folder with config.json and model.safetensors");
  if (!is_file(fs::path(folder) / "config.json"))
    throw Error(
        "models::load", fmt::format("'{}' has no config.json", folder),
        "a model folder of Hugging Face has config.json, model.safetensors (or its parts and "
        "model.safetensors.index.json), tokenizer.json or tokenizer.model, and, for pictures, "
        "preprocessor_config.json; download all files of the model");
  if (options.dtype) check_dtype(*options.dtype, options.device);
  const auto architecture = architecture_of_folder(folder);
  auto checkpoint = Checkpoint::open(folder);
  const auto stored = stored_dtype(checkpoint);
  const auto precision = choose_precision(options.dtype, stored, options.device, bf16_is_fast());
  logger().debug("{} computes in {} with weights in {}: {}", folder, dtype_name(precision.compute),
                 dtype_name(precision.weights), precision.reason);
  Weights weights(std::move(checkpoint), precision.compute, options.device);
  if (precision.keeps_16_bits()) weights.keep_16_bits();
  Vlm vlm;
  vlm.folder = folder;
  vlm.stored_dtype = stored;
  vlm.precision = precision;
  vlm.model = architecture.make_model(weights);
  vlm.processor = Processor::load(folder, architecture.layout, options.chat_template, options.date);
  return vlm;
}

nlohmann::json precision_facts(const Precision& precision) {
  return {{"dtype", dtype_name(precision.compute)},
          {"weights", dtype_name(precision.weights)},
          {"dtype_reason", precision.reason}};
}

}  // namespace emend
