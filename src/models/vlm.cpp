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
  if (options.dtype != at::kFloat && options.dtype != at::kBFloat16)
    throw Error("models::load", fmt::format("cannot compute in {}", at::toString(options.dtype)),
                "float32 and bfloat16 are implemented");
  const auto architecture =
      architecture_of(read_json_object((fs::path(folder) / "config.json").string()));
  Weights weights(Checkpoint::open(folder), options.dtype, options.device);
  Vlm vlm;
  vlm.folder = folder;
  vlm.model = architecture.make_model(weights);
  vlm.processor = Processor::load(folder, architecture.layout, options.chat_template);
  return vlm;
}

}  // namespace emend
