#include "photo_batch.h"

#include <algorithm>
#include <cmath>

namespace emend::photos {
namespace {

// The answer as it follows a prompt, and the token that ends it.
std::vector<int64_t> answer_tokens(const Processor& processor, const std::string& answer) {
  auto ids = processor.target(" " + answer);
  ids.push_back(processor.stop_tokens.at(0));
  return ids;
}

}  // namespace

// The first token of the answer is predicted at the token before it, which is the last one of the
// shared prompt if the segment has no prompt of its own.
void PhotoBatch::add_segment(Row& row, const std::vector<int64_t>& prompt,
                             const std::vector<int64_t>& answer, PackedAnswer packed) {
  const int64_t number = static_cast<int64_t>(rows.size());
  const int64_t segment = row.segments.empty() ? 1 : row.segments.back() + 1;
  const auto shared =
      static_cast<int64_t>(std::count(row.segments.begin(), row.segments.end(), 0)) - 1;
  packed.begin = targets.size();
  row.ids.insert(row.ids.end(), prompt.begin(), prompt.end());
  int64_t before = prompt.empty() ? shared : static_cast<int64_t>(row.ids.size()) - 1;
  for (const auto id : answer) {
    if (before >= 0) {
      row_of.push_back(number);
      position_of.push_back(before);
      targets.push_back(id);
    }
    row.ids.push_back(id);
    before = static_cast<int64_t>(row.ids.size()) - 1;
  }
  row.segments.resize(row.ids.size(), segment);
  packed.end = targets.size();
  // A compromise between equal weights of tokens and equal weights of answers.
  const auto length = static_cast<double>(packed.end - packed.begin);
  weights.resize(targets.size(), 1 / std::sqrt(std::max(1.0, length)));
  answers.push_back(std::move(packed));
}

void PhotoBatch::add_captions(const Processor& processor, const Photo& photo) {
  Row row = processor.row(kCaptionPrompt, static_cast<int64_t>(photos.size()));
  row.images = {static_cast<int64_t>(photos.size())};
  row.segments.assign(row.ids.size(), 0);
  for (const auto& caption : photo.captions)
    add_segment(row, {}, answer_tokens(processor, caption), {0, 0, kCaptionPrompt, caption});
  photos.push_back(&photo);
  rows.push_back(std::move(row));
}

void PhotoBatch::add_questions(const Processor& processor, const Photo& photo,
                               const std::vector<Question>& questions) {
  Row row;
  row.ids.assign(static_cast<size_t>(processor.layout.num_image_tokens), kImageToken);
  row.images = {static_cast<int64_t>(photos.size())};
  row.segments.assign(row.ids.size(), 0);
  for (const auto& question : questions) {
    const auto prompt = question_prompt(question.text);
    add_segment(row, processor.row(prompt).ids, answer_tokens(processor, question.answer),
                {0, 0, prompt, question.answer});
  }
  photos.push_back(&photo);
  rows.push_back(std::move(row));
}

void PhotoBatch::add_texts(const Processor& processor, const std::vector<std::string>& texts) {
  Row row;
  for (const auto& text : texts) add_segment(row, {}, processor.row(text).ids, {0, 0, "", text});
  rows.push_back(std::move(row));
}

void PhotoBatch::add_completions(const Processor& processor, const std::string& prompt,
                                 const std::vector<std::string>& continuations) {
  Row row = processor.row(prompt);
  row.segments.assign(row.ids.size(), 0);
  for (const auto& text : continuations)
    add_segment(row, {}, processor.target(text), {0, 0, prompt, text});
  rows.push_back(std::move(row));
}

}  // namespace emend::photos
