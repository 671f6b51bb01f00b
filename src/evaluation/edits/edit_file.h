#pragma once

#include <string>
#include <vector>

#include "evaluation/edits/edit_question.h"

namespace emend {

// Edits from a file: a JSON array or JSON Lines of objects.
//
//   prompt, target                  required; also src, alt (MMEdit) and target_new (CounterFact)
//   image                           a picture; also picture
//   rephrase                        a string or a list; also rephrase_prompt
//   rephrase_image, rephrase_images a picture or a list; also image_rephrase
//   locality                        a list of questions, as in read_locality_file
//   follows, portability            a list of "QUESTION => ANSWER" or {"prompt", "answer"}
//   loc, loc_ans; m_loc, m_loc_q, m_loc_a; locality_prompt, locality_ground_truth
//                                   a locality question in the format of MMEdit or CounterFact
//
// Names of pictures are relative to the folder of the file. A list with one string is read as a
// string, and answers (target, answer, loc_ans, ...) can be numbers. Blank fields are treated as
// absent.
struct EditFile {
  std::vector<EditQuestion> edits;
  std::vector<std::string> ignored;  // unknown fields, without duplicates
  // Entries that were left out because they repeat an earlier edit: the same prompt, picture and
  // target.
  std::vector<std::string> repeated;
};

// Throws emend::Error with file and entry when a field is missing or has the wrong type, a picture
// does not exist, or two edits with the same prompt and picture have different targets.
EditFile read_edit_file(const std::string& path);

// Reads a JSON array or JSON Lines of questions: strings, "QUESTION => ANSWER", or objects
// {"prompt", "answer" (optional), "image" (optional)}. Throws emend::Error as above, and for
// unknown fields.
std::vector<LocalityQuestion> read_locality_file(const std::string& path);

// Splits "QUESTION => ANSWER"; without an arrow, the answer is empty. Throws emend::Error that
// begins with `what` when either side is empty.
std::pair<std::string, std::string> question_and_answer(const std::string& text,
                                                        const std::string& what);

}  // namespace emend
