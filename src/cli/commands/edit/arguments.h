#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "editing/settings/editor_choice.h"
#include "evaluation/edits/edit_question.h"

namespace emend::cli {

// The arguments of `emend edit`.
struct EditArguments {
  Common common;
  PromptOptions prompting;
  std::string image, text, target, subject;  // one edit
  std::vector<std::string> rephrasings, other_images, follows;
  std::string file;  // --edits
  bool sequential = false;
  std::vector<std::string> patches;  // --patch: earlier edits
  EditorChoice choice;
  ProtocolOptions protocol;
  // Without --protocol, prompts are built as in `emend ask`.
  bool as_asked = true;
  std::vector<std::string> locality, locality_images;
  std::string locality_file;
  int probes = 20;
  std::string output;
  bool allow_failed = false;
  bool details = false;
};

// The edits of the command line or of --edits. The first edit gets the user's locality questions.
// `ignored` receives the unknown fields of the file. Throws emend::Error for pictures and files
// that cannot be read.
std::vector<EditQuestion> chosen_edits(const EditArguments& arguments,
                                       std::vector<std::string>& ignored);

// The folder in which sequential edits are saved; empty: they are not.
std::string snapshots_folder(const EditArguments& arguments);

// Checks that the patch can be written before the edit starts, because an edit takes long.
void check_output(const EditArguments& arguments);

}  // namespace emend::cli
