#include "photo_answers.h"

namespace emend::photos {

Pass shown_pass(const Model& model, const std::vector<Row>& rows, const at::Tensor& features,
                PadSide pad) {
  Batch batch;
  batch.rows = rows;
  if (features.defined()) batch.pixels = at::zeros({features.size(0), 3, 1, 1});
  auto pass = model.collate(batch, pad);
  pass.next = model.first_stage(features.defined() ? Module::connector : Module::language);
  if (features.defined()) {
    pass.hidden = features.to(model.dtype());
    model.run(pass, model.first_stage(Module::language) - 1);
  }
  return pass;
}

std::vector<std::string> photo_answers(const Vlm& vlm, const at::Tensor& features,
                                       const std::vector<std::string>& prompts,
                                       int64_t max_new_tokens) {
  std::vector<Row> rows;
  for (size_t i = 0; i < prompts.size(); ++i)
    rows.push_back(vlm.processor.row(prompts[i], static_cast<int64_t>(i)));
  GenerationOptions options;
  options.max_new_tokens = max_new_tokens;
  std::vector<std::string> answers;
  for (const auto& tokens :
       generate_tokens(*vlm.model, shown_pass(*vlm.model, rows, features, PadSide::left),
                       vlm.processor.stop_tokens, {}, options))
    answers.push_back(answer_text(vlm.processor, tokens));
  return answers;
}

}  // namespace emend::photos
