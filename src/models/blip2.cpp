#include "models/blip2.h"

#include <fmt/format.h>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {
namespace {

const Blip2Config& checked(const Blip2Config& config) {
  config.validate();
  return config;
}

}  // namespace

Blip2::Blip2(const Blip2Config& config, Weights& weights)
    : config_(checked(config)),
      bridge_(static_cast<size_t>(config.vision.layers) + 2),
      language_(bridge_ + static_cast<size_t>(config.qformer.layers) + 2),
      vision_(config.vision, builder(weights, 0)),
      qformer_(config, builder(weights, bridge_)),
      opt_(config.text, builder(weights, language_)) {
  weights.finish();
  dtype_ = weights.dtype();
  device_ = weights.device();

  auto row = [this](const char* name, Module module, int64_t count = -1) {
    if (count < 0) stages_.push_back({name, module});
    for (int64_t i = 0; i < count; ++i) stages_.push_back({fmt::format("{}.{}", name, i), module});
  };
  row("vision.embed", Module::vision);
  row("vision.block", Module::vision, config.vision.layers);
  row("vision.norm", Module::vision);
  row("bridge.embed", Module::bridge);
  row("bridge.layer", Module::bridge, config.qformer.layers);
  row("bridge.project", Module::bridge);
  row("language.embed", Module::language);
  row("language.block", Module::language, config.text.layers);
  row("language.head", Module::language);
}

std::string Blip2::default_sites(Module module) const {
  if (module == Module::bridge) return "qformer.*";
  if (module == Module::language && config_.text.layers > 0)
    return fmt::format("language_model.model.decoder.layers.{}.fc{{1,2}}", config_.text.layers - 1);
  return {};
}

at::Tensor Blip2::word_embeddings() const {
  return parameters_.at("language_model.model.decoder.embed_tokens.weight");
}

Builder Blip2::builder(Weights& weights, size_t stage) {
  return {weights, parameters_, sites_, site_weights_, stage};
}

void Blip2::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage < bridge_) {
    if (stage == 0)
      pass.hidden = vision_.embed(pass.pixels);
    else if (stage + 1 < bridge_)
      pass.hidden = vision_.block(stage - 1, pass.hidden, attachments);
    else
      pass.hidden = vision_.norm(pass.hidden);
  } else if (stage < language_) {
    if (stage == bridge_) {
      pass.features = pass.hidden;
      pass.hidden = qformer_.embed(pass.features.size(0));
    } else if (stage + 1 < language_) {
      pass.hidden = qformer_.layer(stage - bridge_ - 1, pass.hidden, pass.features, attachments);
    } else {
      pass.hidden = qformer_.project(pass.hidden, attachments);
      pass.features = at::Tensor();
    }
  } else if (stage == language_) {
    pass.hidden = opt_.embed(pass, pass.hidden, attachments);
    pass.attention = attention_bias(may_look(pass.mask, pass.segments, pass.ids.size(1)), dtype_);
  } else if (stage + 1 < stages_.size()) {
    pass.hidden = opt_.block(stage - language_ - 1, pass.hidden, pass.attention, pass.cache.get(),
                             attachments);
  } else {
    run_head(pass, attachments);
  }
}

void Blip2::run_head(Pass& pass, const Attachments& attachments) const {
  if (!pass.wanted.defined()) {
    pass.hidden = opt_.head(pass.hidden, attachments);
    return;
  }
  // Rows of one position, so that attachments see their usual (R, T, C).
  auto chosen = pass.hidden.flatten(0, 1).index_select(0, pass.wanted).unsqueeze(1);
  pass.hidden = opt_.head(chosen, attachments).squeeze(1);
}

std::unique_ptr<Model> make_blip2(const Blip2Config& config, Weights& weights) {
  return std::make_unique<Blip2>(config, weights);
}

}  // namespace emend
