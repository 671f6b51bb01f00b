#include "models/architectures/qformer_vlm.h"

namespace emend {

QFormerVlm::QFormerVlm(const Parts& parts, NameMap names, Weights& weights)
    : Model(weights, names),
      queries_(parts.queries),
      bridge_(static_cast<size_t>(parts.vision.layers) + 2),
      language_(bridge_ + static_cast<size_t>(parts.qformer.layers) + 2),
      vision_(parts.vision, builder(weights, 0)),
      qformer_(parts.qformer, parts.queries, parts.vision.hidden, parts.language,
               builder(weights, bridge_)),
      decoder_(parts.make_decoder(builder(weights, language_))) {
  weights.finish();
  add_stage("vision.embed", Module::vision);
  add_stages("vision.block", Module::vision, parts.vision.layers);
  add_stage("vision.norm", Module::vision);
  add_stage("bridge.embed", Module::bridge);
  add_stages("bridge.layer", Module::bridge, parts.qformer.layers);
  add_stage("bridge.project", Module::bridge);
  add_language_stages(decoder_->blocks());
}

std::string QFormerVlm::default_sites(Module module) const {
  if (module == Module::bridge) return "qformer.*";
  return module == Module::language ? decoder_->default_sites() : "";
}

void QFormerVlm::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage < bridge_)
    vision_.run_stage(stage, pass, attachments);
  else if (stage < language_)
    qformer_.run_stage(stage - bridge_, pass, attachments);
  else
    run_language_stage(*decoder_, stage - language_, pass, attachments);
}

}  // namespace emend
