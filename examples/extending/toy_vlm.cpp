#include "examples/extending/toy_vlm.h"

#include "models/config/json_fields.h"
#include "models/config/llava_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/clip.h"

namespace emend {
namespace {

struct ToyConfig {
  ClipVisionConfig vision;
  LlamaConfig text;
  int64_t image_token = 0;

  // Throws emend::Error that names field and value. Refuse what is not implemented.
  static ToyConfig parse(const nlohmann::json& json) {
    const JsonFields top("config.json", json);
    top.expect_absent("quantization_config");
    ToyConfig config;
    config.vision = ClipVisionConfig::parse(top.object("vision_config"));
    config.text = LlamaConfig::parse(top.object("text_config"));
    config.image_token = top.integer("image_token_id", 0, 0, config.text.vocabulary - 1);
    return config;
  }
  // Every field as text, for the fingerprint.
  std::string canonical() const {
    return "toy;" + std::to_string(image_token) + ";" + vision.canonical() + "|" + text.canonical();
  }
  int64_t num_image_tokens() const { return vision.grid() * vision.grid(); }
};

class ToyVlm : public Model {
 public:
  ToyVlm(const ToyConfig& config, Weights& weights)
      : Model(weights, identity_name),
        config_(config),
        connector_(static_cast<size_t>(config.vision.layers) + 1),  // after embed and the blocks
        language_(connector_ + 1),
        vision_(config.vision, config.vision.layers, builder(weights, 0), "vision_model."),
        projection_(builder(weights, connector_)
                        .linear("projection", config.vision.hidden, config.text.hidden)),
        llama_(config.text, builder(weights, language_), "language_model.") {
    weights.finish();  // reports missing, unexpected and misshapen tensors
    add_stage("vision_tower.embed", Module::vision_tower);
    add_stages("vision_tower.block", Module::vision_tower, config.vision.layers);
    add_stage("connector.project", Module::connector);
    add_language_stages(llama_.blocks());
  }

  std::string default_sites(Module module) const override {
    if (module == Module::connector) return "projection";
    return module == Module::language ? llama_.default_sites() : "";
  }
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override { return config_.num_image_tokens(); }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override {
    if (stage == 0)
      pass.hidden = vision_.embed(pass.pixels.stacked());  // (N, 1 + P, D)
    else if (stage < connector_)
      pass.hidden = vision_.block(stage - 1, pass.hidden, attachments);
    else if (stage == connector_)
      pass.hidden = projection_(pass.hidden.slice(1, 1), attachments);  // without the class token
    else
      run_language_stage(llama_, stage - language_, pass, attachments);
  }

 private:
  ToyConfig config_;
  size_t connector_, language_;  // first stage of each
  Clip vision_;
  Linear projection_;
  Llama llama_;
};

}  // namespace

Architecture toy_architecture(const nlohmann::json& json) {
  const auto config = ToyConfig::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  architecture.make_model = [config](Weights& weights) {
    return std::make_unique<ToyVlm>(config, weights);
  };
  auto& layout = architecture.layout;
  layout.num_image_tokens = config.num_image_tokens();
  layout.image_token = config.image_token;
  layout.with_picture = "USER: <image>\n{} ASSISTANT:";  // if the folder has no chat template
  layout.without_picture = "USER: {} ASSISTANT:";
  layout.stop_tokens = stop_tokens({JsonFields("config.json", json).object("text_config")});
  return architecture;
}

}  // namespace emend
