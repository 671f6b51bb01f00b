#include "sized_model.h"

#include <cmath>

#include "io/error.h"
#include "models/blip2.h"
#include "models/json_fields.h"

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
    throw Error("benchmarks::model", "there is no size `" + size + "`",
                "there are: bundled, 300m, opt-2.7b");
  }
  return config;
}

// Billions of normal draws would take minutes: one block of them is laid end to end.
class RandomWeights {
 public:
  explicit RandomWeights(at::ScalarType dtype) : noise_(at::randn({kBlock}).to(dtype)) {}

  at::Tensor operator()(const std::string& name, at::IntArrayRef shape) const {
    const bool scale =
        name.find("norm") != std::string::npos || name.find("Norm") != std::string::npos;
    if (shape.size() == 1)
      return at::full(shape, scale && name.find("weight") != std::string::npos ? 1 : 0,
                      noise_.options());
    int64_t in = 1;
    for (size_t i = 1; i < shape.size(); ++i) in *= shape[i];
    const auto block = noise_ * (1 / std::sqrt(static_cast<double>(in)));
    auto tensor = at::empty(shape, noise_.options());
    auto flat = tensor.view({-1});
    for (int64_t begin = 0; begin < flat.size(0); begin += kBlock) {
      const int64_t count = std::min(kBlock, flat.size(0) - begin);
      flat.narrow(0, begin, count).copy_(block.narrow(0, 0, count));
    }
    return tensor;
  }

 private:
  static constexpr int64_t kBlock = 1000003;  // a prime, so that rows differ
  at::Tensor noise_;
};

}  // namespace

SizedModel make_sized_model(const std::string& size, int64_t pixels, at::ScalarType dtype) {
  at::manual_seed(0);
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
    Weights weights(RandomWeights(dtype), dtype);
    sized.vlm.model = make_blip2(sized.config, weights);
    sized.vlm.processor.layout.image_slots = sized.config.queries;
    sized.vlm.processor.image_processor.width = static_cast<int>(pixels);
    sized.vlm.processor.image_processor.height = static_cast<int>(pixels);
  }
  for (const auto& [name, tensor] : sized.vlm.model->parameters())
    sized.weight_bytes += tensor.nbytes();
  sized.vlm.fingerprint();  // reading all the weights is not part of a record's cost
  return sized;
}

}  // namespace emend::bench
