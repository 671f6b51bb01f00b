#include "evaluation/measuring/answer_spans.h"

#include "io/error.h"

namespace emend {
namespace {

void check_answer(const Pass& pass, size_t row, int64_t length,
                  const std::vector<int64_t>& answer) {
  const auto size = static_cast<int64_t>(answer.size());
  if (length > size) {
    const auto tail = pass.ids[static_cast<int64_t>(row)].slice(0, length - size, length);
    if (at::equal(tail.to(at::kCPU), at::tensor(answer, at::kLong))) return;
  }
  throw Error("evaluation::measure", "a rewritten request does not end with the answer",
              "an editor may change only the part before the answer");
}

}  // namespace

std::vector<Span> answer_spans(const Pass& pass, const std::vector<std::vector<int64_t>>& answers) {
  const auto cached = pass.mask.size(1) - pass.ids.size(1);
  const auto left = pass.mask.slice(1, cached).sum(1).to(at::kCPU);
  std::vector<Span> spans;
  for (size_t r = 0; r < answers.size(); ++r) {
    const auto end = left[static_cast<int64_t>(r)].item<int64_t>();
    check_answer(pass, r, end, answers[r]);
    spans.push_back({end - static_cast<int64_t>(answers[r].size()) - 1, end - 1});
  }
  return spans;
}

at::Tensor flattened_spans(const std::vector<Span>& spans, int64_t width) {
  std::vector<int64_t> positions;
  for (size_t r = 0; r < spans.size(); ++r)
    for (auto t = spans[r].begin; t < spans[r].end; ++t)
      positions.push_back(static_cast<int64_t>(r) * width + t);
  return at::tensor(positions, at::kLong);
}

}  // namespace emend
