#include "evaluation/edits/edit_setup.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {

Protocol edit_protocol(Protocol given, bool as_asked, const PromptOptions& prompting,
                       const std::string& editor, const EditQuestion& question,
                       const Processor& processor) {
  auto protocol = std::move(given);
  if (as_asked) {
    if (protocol.bos == Protocol::Bos::none) protocol.bos = Protocol::Bos::model;
    protocol.answer_space = Protocol::AnswerSpace::plain;
  }
  const bool bare = protocol.question_template == "{}";
  protocol = for_editor(protocol, editor);
  auto options = prompting;
  options.bare |= options.pattern.empty() && bare;
  const bool sees = processor.layout.reads_pictures();
  if (processor.wraps(sees)) protocol.image_locality_template = "{}";
  // The user's template also replaces the templates of captions.
  if (!options.pattern.empty()) protocol.captions.clear();
  const auto pattern =
      prompt_template(options, question.prompt, processor.wraps(question.image.present()));
  if (pattern != protocol.question_template) {
    protocol.question_template = pattern;
    protocol.name += fmt::format(" with prompt \"{}\"", pattern);
  }
  return protocol;
}

DefaultProbes default_probes_for(const Vlm& vlm, const std::vector<EditQuestion>& edits,
                                 int probes) {
  DefaultProbes defaults;
  defaults.world = probe_world(vlm.folder);
  defaults.texts = probes;
  defaults.pictures = vlm.model->reads_pictures() ? probes : 0;
  for (const auto& edit : edits)
    for (const auto& one : edit.locality)
      (one.image.present() ? defaults.pictures : defaults.texts) = 0;
  return defaults;
}

void check_pictures(const Vlm& vlm, const std::vector<EditQuestion>& edits) {
  if (vlm.model->reads_pictures()) return;
  for (const auto& edit : edits) {
    bool any = edit.image.present() || !edit.other_pictures.empty();
    for (const auto& one : edit.locality) any |= one.image.present();
    if (any)
      throw Error("evaluation::edit_setup", fmt::format("'{}' is a text-only model", vlm.folder),
                  "remove the pictures, or use a vision-language model");
  }
}

}  // namespace emend
