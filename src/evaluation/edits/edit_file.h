#pragma once

#include <string>
#include <vector>

#include "evaluation/edits/edit_question.h"

namespace emend {

// Edits that a file lists: a JSON array or JSON Lines of objects.
//
//   prompt, target                  required; also src, alt (MMEdit) and target_new (CounterFact)
//   image                           a picture; also "picture"
//   rephrase                        a text or a list; also rephrase_prompt
//   rephrase_image, rephrase_images a picture or a list; also image_rephrase
//   locality                        a list of questions, see locality_questions
//   follows, portability            a list of "QUESTION => ANSWER" or {"prompt", "answer"}
//   loc, loc_ans; m_loc, m_loc_q, m_loc_a; locality_prompt, locality_ground_truth
//                                   a locality question, as MMEdit and CounterFact write it
//
// Names of pictures are relative to the file's folder. A number, or a list of one text, is read as
// text.
struct EditFile {
  std::vector<EditQuestion> edits;
  std::vector<std::string> ignored;  // fields that are not read, each once
};

// Throws emend::Error that names file and entry when a field is missing or of the wrong kind, or a
// picture is not there.
EditFile read_edit_file(const std::string& path);

// A JSON array or JSON Lines of questions: texts, "QUESTION => ANSWER", or objects {"prompt",
// "answer" (optional), "image" (optional)}. Throws emend::Error as above, and for other fields.
std::vector<LocalityQuestion> read_locality_file(const std::string& path);

// "QUESTION => ANSWER" taken apart; the answer is empty where there is no arrow. Throws
// emend::Error that begins with `what` when either side is empty.
std::pair<std::string, std::string> question_and_answer(const std::string& text,
                                                        const std::string& what);

}  // namespace emend
