#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/protocol/metrics.h"
#include "models/vlm.h"
#include "suites/suite.h"

namespace emend {

// The choices of an evaluation as data, which every result contains. The default is EasyEdit's code
// of April-May 2024 (`mmedit-2024`).
struct Protocol {
  enum class Accuracy { exact_match, token_accuracy };
  // forced: the target is part of the input, and its tokens are judged. generated: the model never
  // sees the target; its greedy answer is compared as normalized text.
  enum class Judged { forced, generated };
  // The positions that locality compares when the request is longer after the edit.
  enum class Alignment { equal_lengths, last_positions };
  // BOS before a text. model: as in the released processor. none: no BOS where pictures come first
  // (BLIP-2), unless the model requires it (PromptLayout::requires_bos); as released for other
  // models. always, never: choices of the user for any model.
  enum class Bos { model, none, always, never };
  // The space before an answer in teacher forcing. added: always added, also before a space.
  // completed: added unless the answer begins with a space. plain: added unless the answer begins
  // with a space or a newline.
  enum class AnswerSpace { added, completed, plain };

  std::string name = "mmedit-2024";
  std::string exception_for = {};  // the editor of an exception (for_editor); empty: no exception
  std::string question_template = "Question: {} Short answer:";        // {}: the question
  std::string image_locality_template = "Question: {} Short answer:";  // also for a caption edit
  std::string text_locality_template = "{}";
  // Prompts that are not questions: edits with these prompts, and their probes, get no template.
  std::vector<std::string> captions = {"a photo of", "a picture of", "an image of", "a drawing of"};
  Judged judged = Judged::forced;
  Accuracy accuracy = Accuracy::exact_match;  // teacher-forced, over the tokens of the target
  int64_t text_k = 1;
  int64_t image_k = 10;
  // What locality ranks; ties go to the lowest token ID.
  Ranking::On ranked_on = Ranking::On::softmax;
  std::optional<at::ScalarType> ranking_dtype = {};  // none: the stored dtype of the model
  Alignment alignment = Alignment::equal_lengths;
  Bos bos = Bos::none;
  AnswerSpace answer_space = AnswerSpace::added;
  // The recorded answers: generated greedily, or (much cheaper for large models) the top-1 tokens
  // at the answer's positions under teacher forcing.
  bool generate_answers = true;
  // An answer that begins with the expected one is right. For prompts that the model completes.
  bool answers_go_on = false;
  int64_t max_new_tokens = 32;  // of generated answers
};

// mmedit-2024, easyedit-trainer and easyedit-editor reproduce EasyEdit. strict: the answer is
// generated, and neither the model nor an editor sees the target while it is judged. Throws
// emend::Error for an unknown name.
Protocol make_protocol(const std::string& name);
std::vector<std::string> protocol_names();
// The protocol for one editor: IKE's requests are longer after the edit, so EasyEdit compares other
// positions (and, in `mmedit-2024`, uses other prompts). Results record the exception.
Protocol for_editor(const Protocol& protocol, const std::string& editor);

// The protocol for a suite: texts to complete get no template.
Protocol for_suite(const Protocol& protocol, const Suite& suite);

// What locality ranks on this model.
Ranking ranking_of(const Protocol& protocol, const Vlm& vlm);

// Configures the BOS token of the model's processor.
void set_bos(Vlm& vlm, const Protocol& protocol);

nlohmann::json to_json(const Protocol& protocol);
// The same with the outcomes of the choices that depend on the model: `used` of `bos` (present,
// absent or as_released, with a reason if it differs from the protocol) and of `ranking_dtype`.
nlohmann::json to_json(const Protocol& protocol, const Vlm& vlm);

// Replaces `{}`; throws emend::Error when the template has none.
std::string fill_template(const std::string& pattern, const std::string& question);
// The prompt of the record or of a probe, with the template.
std::string edit_prompt(const Protocol& protocol, const Record& record);
std::string probe_prompt(const Protocol& protocol, const Record& record, const Probe& probe);
// The answer with the leading space of the protocol.
std::string continuation(const Protocol& protocol, const std::string& answer);

}  // namespace emend
