#include "serving/api/model_facts.h"

#include "editing/registry.h"
#include "editing/tracing/trace_options.h"
#include "evaluation/probes/default_probes.h"
#include "evaluation/protocol/protocol.h"
#include "exports/export.h"
#include "io/image/thumbnail.h"

namespace emend {
namespace {

using nlohmann::json;

// Questions that the bundled model can answer.
json example_questions(const Vlm& vlm) {
  auto examples = json::array();
  if (probe_world(vlm.folder) != ProbeWorld::scenes) return examples;
  constexpr int kTexts = 2, kPictures = 4;
  for (const auto& probe :
       unrelated_probes({ProbeWorld::scenes, kTexts, kPictures}, /*seed=*/0, {})) {
    json picture;
    if (probe.image.present()) picture = png_data_url(probe.image.load());
    examples.push_back({{"prompt", probe.text}, {"image", picture}});
  }
  return examples;
}

}  // namespace

json model_facts(const Vlm& vlm) {
  auto modules = json::array();
  for (auto module : {Module::language, Module::connector, Module::vision_tower})
    for (const auto& stage : vlm.model->stages())
      if (stage.module == module) {
        modules.push_back(module_name(module));
        break;
      }
  auto editors = json::array();
  for (const auto& info : editor_infos()) editors.push_back(to_json(info));
  auto exports = json::object();
  for (const auto& format : export_formats()) {
    const auto obstacle = export_obstacle(vlm.folder, format);
    exports[format] = obstacle.empty() ? json() : json(obstacle);
  }
  const auto config = vlm.folder + "/config.json";
  const auto architectures =
      json_get<std::vector<std::string>>(read_json(config), "architectures", config);
  return {{"model", vlm.folder},
          {"architecture", architectures.empty() ? json() : json(architectures.front())},
          {"base", vlm.fingerprint()},
          {"precision", precision_facts(vlm.precision)},
          {"device", vlm.model->device().str()},
          {"text_only", !vlm.model->reads_pictures()},
          {"question_template", vlm.processor.wraps(false) ? "{}" : Protocol().question_template},
          {"modules", modules},
          {"editors", editors},
          {"exports", exports},
          {"version", EMEND_VERSION},
          {"examples", example_questions(vlm)}};
}

}  // namespace emend
