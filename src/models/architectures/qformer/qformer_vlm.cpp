#include "models/architectures/qformer/qformer_vlm.h"

namespace emend {

QFormerVlm::QFormerVlm(const Parts& parts, NameMap names, Weights& weights)
    : Model(weights, names),
      queries_(parts.queries),
      connector_(static_cast<size_t>(parts.vision.layers) + 2),
      language_(connector_ + static_cast<size_t>(parts.qformer.layers) + 2),
      vision_(parts.vision, builder(weights, 0)),
      qformer_(parts.qformer, parts.queries, parts.vision.hidden, parts.language,
               builder(weights, connector_)),
      decoder_(parts.make_decoder(builder(weights, language_))) {
  weights.finish();
  add_stage("vision_tower.embed", Module::vision_tower);
  add_stages("vision_tower.block", Module::vision_tower, parts.vision.layers);
  add_stage("vision_tower.norm", Module::vision_tower);
  add_stage("connector.embed", Module::connector);
  add_stages("connector.layer", Module::connector, parts.qformer.layers);
  add_stage("connector.project", Module::connector);
  add_language_stages(decoder_->blocks());
}

std::string QFormerVlm::default_sites(Module module) const {
  if (module == Module::connector) return "qformer.*";
  return module == Module::language ? decoder_->default_sites() : "";
}

void QFormerVlm::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage < connector_)
    vision_.run_stage(stage, pass, attachments);
  else if (stage < language_)
    qformer_.run_stage(stage - connector_, pass, attachments);
  else
    run_language_stage(*decoder_, stage - language_, pass, attachments);
}

}  // namespace emend
