#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "editing/tracing/picture_grid.h"
#include "models/vlm.h"

namespace emend {

// Positions whose states are restored together.
struct TokenGroup {
  std::string name;  // subject, image, image 2,3 (row and column of the grid), ...
  std::vector<int64_t> positions;
};

// Finds the tokens of the words in a row: the first occurrence that is not part of a longer word,
// or else the first occurrence. Returns the first position and the position after the last one; an
// empty range if there is none. Image tokens separate texts.
std::pair<int64_t, int64_t> find_words(const Tokenizer& tokenizer, const std::vector<int64_t>& ids,
                                       const std::string& words);

// The groups of a teacher-forced row, without empty ones, in this order:
//   image           the image tokens
//   image R,C       the image tokens in row R and column C of the grid, counted from 1
//   template        BOS, and all tokens of the prompt that are in no other group
//   subject         the tokens of the subject
//   subject last    the last of them, if there are several
//   question        the other tokens of `question`
//   last            the last token of the prompt
//   answer          the tokens of the answer that are inputs
// Throws emend::Error if the prompt does not contain the subject.
std::vector<TokenGroup> token_groups(const Vlm& vlm, const Row& row, const std::string& question,
                                     const std::string& subject, const PictureGrid& grid);

}  // namespace emend
