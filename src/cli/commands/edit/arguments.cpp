#include "cli/commands/edit/arguments.h"

#include <fmt/format.h>

#include "cli/output_file.h"
#include "evaluation/edits/edit_file.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/log.h"

namespace emend::cli {
namespace {

// Pairs --locality with --locality-image: one picture for all questions, or one for each question.
void add_pairs(const EditArguments& arguments, std::vector<LocalityQuestion>& all) {
  const auto& texts = arguments.locality;
  const auto& images = arguments.locality_images;
  if (images.size() > 1 && images.size() != texts.size())
    throw Error("cli::edit",
                fmt::format("{} --locality-image options do not match {} --locality options",
                            images.size(), texts.size()),
                "give one picture for all questions, or one for each question (\"\" for none)");
  if (texts.empty() && !images.empty())
    throw Error("cli::edit", "--locality-image needs a question",
                "add --locality \"QUESTION\" about the picture");
  std::vector<Picture> pictures;
  for (const auto& path : images) pictures.push_back(open_picture(path));
  for (size_t i = 0; i < texts.size(); ++i) {
    auto [prompt, answer] = question_and_answer(texts[i], "--locality");
    Picture picture;
    if (!pictures.empty()) picture = pictures[pictures.size() == 1 ? 0 : i];
    all.push_back({picture, prompt, answer});
  }
}

EditQuestion one_edit(const EditArguments& arguments) {
  EditQuestion edit;
  edit.image = open_picture(arguments.image);
  edit.prompt = arguments.text;
  edit.target = arguments.target;
  edit.subject = arguments.subject;
  edit.rephrasings = arguments.rephrasings;
  for (const auto& path : arguments.other_images) edit.other_pictures.push_back(open_picture(path));
  for (const auto& text : arguments.follows) {
    auto [question, answer] = question_and_answer(text, "--follows");
    if (answer.empty())
      throw Error("cli::edit", fmt::format("--follows expects QUESTION => ANSWER, got '{}'", text),
                  "for example --follows \"Is the star red? => yes\"");
    edit.consequences.emplace_back(question, answer);
  }
  return edit;
}

}  // namespace

std::vector<EditQuestion> chosen_edits(const EditArguments& arguments,
                                       std::vector<std::string>& ignored) {
  std::vector<EditQuestion> edits;
  if (arguments.file.empty()) {
    edits.push_back(one_edit(arguments));
  } else {
    auto file = read_edit_file(arguments.file);
    ignored = file.ignored;
    for (const auto& name : ignored)
      logger().warn("'{}': the unknown field '{}' is ignored", arguments.file, name);
    for (const auto& where : file.repeated)
      logger().warn("{} repeats an earlier edit and is left out", where);
    edits = std::move(file.edits);
  }
  auto& locality = edits.front().locality;
  add_pairs(arguments, locality);
  if (!arguments.locality_file.empty())
    for (auto& one : read_locality_file(arguments.locality_file)) locality.push_back(one);
  return edits;
}

std::string snapshots_folder(const EditArguments& arguments) {
  return arguments.sequential ? arguments.output + ".edits" : "";
}

void check_output(const EditArguments& arguments) {
  std::vector<std::string> inputs = {arguments.image, arguments.file, arguments.choice.hparams,
                                     arguments.choice.settings_file, arguments.locality_file};
  for (const auto* more : {&arguments.patches, &arguments.other_images, &arguments.locality_images})
    inputs.insert(inputs.end(), more->begin(), more->end());
  check_output_file(arguments.output, inputs, "emend-patch");
  const auto snapshots = snapshots_folder(arguments);
  if (!snapshots.empty() && path_exists(snapshots) && !is_folder(snapshots))
    throw Error("cli::edit",
                fmt::format("the edits cannot be saved in the folder '{}', because it is a file",
                            snapshots),
                "use another output");
}

}  // namespace emend::cli
