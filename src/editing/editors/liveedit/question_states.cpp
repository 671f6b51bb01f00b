#include "editing/editors/liveedit/question_states.h"

namespace emend {

QuestionStates QuestionStates::of(const Pass& pass, const at::Tensor& hidden,
                                  const at::Tensor& answer_lengths) {
  const auto real = pass.positions >= 0;
  const auto number = real.cumsum(1);  // from 1
  const auto asked = pass.prompt_lengths.unsqueeze(1);
  const auto prompt = real.logical_and(number <= asked);
  const auto image = prompt.logical_and(pass.ids == kImageToken);
  const auto last_image = (number * image).amax(1, /*keepdim=*/true);
  const auto text = prompt.logical_and(image.logical_not());
  const auto after = text.logical_and(number > last_image);
  auto answer = real.logical_and(number > asked);
  if (answer_lengths.defined())
    answer = answer.logical_and(number <= asked + answer_lengths.unsqueeze(1));
  return {hidden.to(at::kFloat), image, at::where(after.any(1, /*keepdim=*/true), after, text),
          answer};
}

QuestionStates QuestionStates::rows(const at::Tensor& index) const {
  return {hidden.index_select(0, index), picture.index_select(0, index),
          question.index_select(0, index), answer.index_select(0, index)};
}

}  // namespace emend
