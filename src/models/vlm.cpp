#include "models/vlm.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"
#include "io/path.h"
#include "models/architecture.h"
#include "models/json_fields.h"

namespace emend {
namespace {

at::ScalarType stored_dtype(const Checkpoint& checkpoint) {
  int64_t wide = 0, narrow = 0;  // bytes
  for (const auto& name : checkpoint.names()) {
    const auto& info = checkpoint.info(name);
    const auto size = static_cast<int64_t>(c10::elementSize(info.dtype));
    (size == 2 ? narrow : wide) += size * c10::multiply_integers(info.shape);
  }
  return narrow > wide ? at::kBFloat16 : at::kFloat;
}

void check_dtype(at::ScalarType dtype, at::Device device) {
  if (dtype == at::kFloat || dtype == at::kBFloat16) return;
  if (dtype == at::kHalf && !device.is_cpu()) return;
  throw Error("models::load",
              fmt::format("cannot compute in {} on {}", at::toString(dtype), device.str()),
              "float32 and bfloat16 are implemented, on CUDA half (fp16), too");
}

}  // namespace

Vlm load_vlm(const std::string& folder, const LoadOptions& options) {
  namespace fs = std::filesystem;
  if (!is_folder(folder))
    throw Error("models::load", fmt::format("{} is not a folder", folder),
                "a model is a Hugging Face folder with config.json and model.safetensors");
  if (options.dtype) check_dtype(*options.dtype, options.device);
  const auto architecture =
      architecture_of(read_json_object((fs::path(folder) / "config.json").string()));
  auto checkpoint = Checkpoint::open(folder);
  const auto dtype = options.dtype ? *options.dtype : stored_dtype(checkpoint);
  Weights weights(std::move(checkpoint), dtype, options.device);
  Vlm vlm;
  vlm.folder = folder;
  vlm.model = architecture.make_model(weights);
  vlm.processor = Processor::load(folder, architecture.layout, options.chat_template);
  return vlm;
}

std::string dtype_name(at::ScalarType dtype) {
  return dtype == at::kFloat ? "fp32" : dtype == at::kBFloat16 ? "bf16" : "fp16";
}

}  // namespace emend
