#include "sized_model.h"

#include "io/error.h"
#include "models/architectures/qformer/blip2.h"
#include "models/config/json_fields.h"
#include "models/core/loading/random_weights.h"

namespace emend::bench {
namespace {

const std::string kBundled = std::string(EMEND_SOURCE_DIR) + "/models/scenes-blip2";

Blip2Config config_of(const std::string& size, int64_t pixels) {
  Blip2Config config;
  config.vision.image_size = pixels;
  config.image_token = -1;
  auto& text = config.text;
  if (size == "300m") {
    config.vision.hidden = 768;
    config.vision.intermediate = 3072;
    config.vision.layers = 12;
    config.vision.heads = 12;
  } else if (size == "opt-2.7b") {
    text.hidden = text.embedding_width = 2560;
    text.ffn = 10240;
    text.layers = text.heads = 32;
  } else {
    throw Error("benchmarks::model", "unknown model size `" + size + "`",
                "choose bundled, 300m or opt-2.7b");
  }
  return config;
}

}  // namespace

SizedModel make_sized_model(const std::string& size, int64_t pixels, at::ScalarType dtype) {
  const auto bundled = Blip2Config::load(kBundled + "/config.json");
  SizedModel sized;
  sized.vlm.processor = Processor::load(
      kBundled, architecture_of(read_json_object(kBundled + "/config.json")).layout);
  if (size == "bundled") {
    sized.config = bundled;
    const auto checkpoint = Checkpoint::open(kBundled);
    Weights weights(
        [&](const std::string& name, at::IntArrayRef) { return checkpoint.tensor(name).clone(); },
        dtype);
    sized.vlm.model = make_blip2(sized.config, weights);
  } else {
    sized.config = config_of(size, pixels);
    Weights weights(RandomWeights(dtype, 0), dtype);
    sized.vlm.model = make_blip2(sized.config, weights);
    sized.vlm.processor.layout.num_image_tokens = sized.config.queries;
    sized.vlm.processor.image_processor.width = static_cast<int>(pixels);
    sized.vlm.processor.image_processor.height = static_cast<int>(pixels);
  }
  for (const auto& [name, tensor] : sized.vlm.model->parameters())
    sized.weight_bytes += tensor.nbytes();
  sized.vlm.fingerprint();  // reading all weights is not part of a record's cost
  return sized;
}

}  // namespace emend::bench
