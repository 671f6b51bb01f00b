#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "editing/editor.h"
#include "evaluation/edits/edit_question.h"

namespace emend::cli {

// What `emend edit` was told.
struct EditArguments {
  Common common;
  PromptOptions prompting;
  std::string image, text, target;  // one edit
  std::vector<std::string> rephrasings, other_images, follows;
  std::string file;  // --edits
  bool sequential = false;
  std::vector<std::string> patches;  // edits made before
  std::string editor = "ft", module, sites, hparams, settings_file;
  std::vector<std::string> settings;
  ProtocolOptions protocol;
  // No protocol was named: texts are put to the model as `emend ask` puts them.
  bool as_asked = true;
  std::vector<std::string> locality, locality_images;
  std::string locality_file;
  int probes = 20;
  std::string output;
  bool allow_failed = false;
  bool details = false;
};

// The one editor that was chosen, with its settings. Throws emend::Error for several.
EditorSpec chosen_editor(const EditArguments& arguments);

// The edits of the command line or of --edits. The user's locality questions are the first one's.
// `ignored`: fields of the file that are not read. Throws emend::Error for pictures and files that
// cannot be read.
std::vector<EditQuestion> chosen_edits(const EditArguments& arguments,
                                       std::vector<std::string>& ignored);

// An edit takes a while: finds out before that its patch cannot be written.
void check_output(const EditArguments& arguments);

// How this question is asked and judged by this editor.
Protocol chosen_protocol(const EditArguments& arguments, const std::string& editor,
                         const EditQuestion& question, const Processor& processor);

}  // namespace emend::cli
