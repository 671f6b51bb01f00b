#pragma once

#include <string>
#include <vector>

#include "models/core/pass.h"
#include "models/prompting/processor.h"
#include "photo_sets.h"

namespace emend::photos {

// A caption or an answer of a batch: the range of its tokens in PhotoBatch::targets.
struct PackedAnswer {
  size_t begin, end;
  std::string prompt, answer;
};

// A batch of rows with several texts each, which do not see each other: all captions or questions
// of a photo behind its image tokens, or several texts without a picture.
struct PhotoBatch {
  std::vector<Row> rows;
  std::vector<const Photo*> photos;          // of the rows with image tokens
  std::vector<int64_t> row_of, position_of;  // positions whose logits are needed ...
  std::vector<int64_t> targets;              // ... and the token to predict at each of them
  std::vector<double> weights;               // weight of each target in the loss
  std::vector<PackedAnswer> answers;

  // All captions of the photo, behind one prompt.
  void add_captions(const Processor& processor, const Photo& photo);
  // These questions of the photo, each with its answer.
  void add_questions(const Processor& processor, const Photo& photo,
                     const std::vector<Question>& questions);
  // Texts without a picture. Every token after the first of each text is a target.
  void add_texts(const Processor& processor, const std::vector<std::string>& texts);
  // A text without a picture and several continuations of it, which include their leading space.
  void add_completions(const Processor& processor, const std::string& prompt,
                       const std::vector<std::string>& continuations);

 private:
  void add_segment(Row& row, const std::vector<int64_t>& prompt, const std::vector<int64_t>& answer,
                   PackedAnswer packed);
};

}  // namespace emend::photos
