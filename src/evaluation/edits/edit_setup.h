#pragma once

#include <string>
#include <vector>

#include "evaluation/edits/edit_question.h"
#include "evaluation/protocol/prompt_template.h"
#include "evaluation/protocol/protocol.h"

namespace emend {

// How the edit of a user is asked and judged: `given`, with the exceptions for the editor and the
// prompt template of the user. `as_asked`: prompts are built as in `emend ask`.
Protocol edit_protocol(Protocol given, bool as_asked, const PromptOptions& prompting,
                       const std::string& editor, const EditQuestion& question,
                       const Processor& processor);

// The default probes for groups that have no locality questions from the user, at most `probes`
// without and with a picture each.
DefaultProbes default_probes_for(const Vlm& vlm, const std::vector<EditQuestion>& edits,
                                 int probes);

// Throws emend::Error if the model reads text only and an edit has a picture.
void check_pictures(const Vlm& vlm, const std::vector<EditQuestion>& edits);

}  // namespace emend
