#include "editing/editors/hyper/trainable_hyper_editor.h"

#include <algorithm>

namespace emend {

ExampleBatch TrainableHyperEditor::prepare(const std::vector<EditExample>& examples,
                                           const std::vector<Site>& sites,
                                           bool end_of_answer) const {
  const auto& model = *vlm_.model;
  const bool language = std::any_of(sites.begin(), sites.end(), [&](const Site& site) {
    return model.stages()[site.stage].module == Module::language;
  });
  return prepare_examples(vlm_, examples, first_stage_of(model, sites), language, end_of_answer,
                          store_);
}

}  // namespace emend
