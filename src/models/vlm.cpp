#include "models/vlm.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"
#include "models/architecture.h"
#include "models/json_fields.h"

namespace emend {

Vlm load_vlm(const std::string& folder, const LoadOptions& options) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(folder))
    throw Error("models::load", fmt::format("{} is not a folder", folder),
                "a model is a Hugging Face folder with config.json and model.safetensors");
  const bool half = options.dtype == at::kHalf && !options.device.is_cpu();
  if (options.dtype != at::kFloat && options.dtype != at::kBFloat16 && !half)
    throw Error("models::load",
                fmt::format("cannot compute in {} on {}", at::toString(options.dtype),
                            options.device.str()),
                "float32 and bfloat16 are implemented, on CUDA half (fp16), too");
  const auto architecture =
      architecture_of(read_json_object((fs::path(folder) / "config.json").string()));
  Weights weights(Checkpoint::open(folder), options.dtype, options.device);
  Vlm vlm;
  vlm.folder = folder;
  vlm.model = architecture.make_model(weights);
  vlm.processor = Processor::load(folder, architecture.layout, options.chat_template);
  return vlm;
}

at::ScalarType stored_dtype(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) return at::kFloat;  // load_vlm says what is wrong
  const auto checkpoint = Checkpoint::open(folder);
  int64_t wide = 0, narrow = 0;  // bytes
  for (const auto& name : checkpoint.names()) {
    const auto& info = checkpoint.info(name);
    (c10::elementSize(info.dtype) == 2 ? narrow : wide) +=
        c10::multiply_integers(info.shape) * static_cast<int64_t>(c10::elementSize(info.dtype));
  }
  return narrow > wide ? at::kBFloat16 : at::kFloat;
}

}  // namespace emend
