#include "cli/commands/edit/arguments.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/output_file.h"
#include "editing/registry.h"
#include "editing/settings/easyedit/hparams.h"
#include "editing/settings/settings_file.h"
#include "evaluation/edits/edit_file.h"
#include "evaluation/protocol/protocol.h"
#include "io/error.h"
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

EditorSpec chosen_editor(const EditArguments& arguments, bool log) {
  std::vector<EditorSpec> chosen;
  if (!arguments.hparams.empty()) {
    auto hparams = read_hparams(arguments.hparams);
    if (log) log_ignored_keys(arguments.hparams, hparams.ignored);
    chosen = {hparams.spec};
  } else {
    const auto module = arguments.module.empty() ? "" : ":" + arguments.module;
    if (!module.empty() && arguments.editor.find(':') != std::string::npos)
      throw Error("cli::edit",
                  fmt::format("--editor {} already names a module, so --module {} is not valid",
                              arguments.editor, arguments.module),
                  "remove one of them");
    chosen = parse_editors(arguments.editor + module);
  }
  if (chosen.size() != 1)
    throw Error("cli::edit", fmt::format("--editor '{}' names several editors", arguments.editor),
                "choose one; `emend bench` compares several");
  auto& spec = chosen.front();
  if (!spec.settings.contains("seed") && editor_info(spec.name).has_setting("seed"))
    spec.settings["seed"] = arguments.common.seed;
  if (!arguments.settings_file.empty())
    apply_settings(chosen, read_settings_file(arguments.settings_file));
  if (!arguments.sites.empty()) spec.settings["sites"] = arguments.sites;
  apply_pairs(chosen, arguments.settings);
  return spec;
}

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
    edits = std::move(file.edits);
  }
  auto& locality = edits.front().locality;
  add_pairs(arguments, locality);
  if (!arguments.locality_file.empty())
    for (auto& one : read_locality_file(arguments.locality_file)) locality.push_back(one);
  return edits;
}

void check_output(const EditArguments& arguments) {
  std::vector<std::string> inputs = {arguments.image, arguments.file, arguments.hparams,
                                     arguments.settings_file, arguments.locality_file};
  for (const auto* more : {&arguments.patches, &arguments.other_images, &arguments.locality_images})
    inputs.insert(inputs.end(), more->begin(), more->end());
  check_output_file(arguments.output, inputs, "emend-patch");
}

Protocol chosen_protocol(const EditArguments& arguments, const std::string& editor,
                         const EditQuestion& question, const Processor& processor) {
  auto protocol = make_protocol(arguments.protocol);
  if (arguments.as_asked) {
    if (protocol.bos == Protocol::Bos::none) protocol.bos = Protocol::Bos::model;
    protocol.answer_space = Protocol::AnswerSpace::plain;
  }
  const bool bare = protocol.question_template == "{}";
  protocol = for_editor(protocol, editor);
  auto prompting = arguments.prompting;
  prompting.bare |= prompting.pattern.empty() && bare;
  const bool sees = processor.layout.num_image_tokens > 0;
  if (processor.wraps(sees)) protocol.image_locality_template = "{}";
  // The user's template also replaces the templates of captions.
  if (!prompting.pattern.empty()) protocol.captions.clear();
  const auto pattern =
      prompt_template(prompting, question.prompt, processor.wraps(question.image.present()));
  if (pattern != protocol.question_template) {
    protocol.question_template = pattern;
    protocol.name += fmt::format(" with prompt \"{}\"", pattern);
  }
  return protocol;
}

}  // namespace emend::cli
