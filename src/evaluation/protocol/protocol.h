#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/protocol/metrics.h"
#include "models/vlm.h"
#include "suites/suite.h"

namespace emend {

// How an edit is judged, as data: it is named in every result. The default is the field's code of
// April-May 2024 (`mmedit-2024`).
struct Protocol {
  enum class Accuracy { exact_match, token_accuracy };
  // forced: the target is fed in, its tokens are judged. generated: the model never sees the
  // target; its greedy answer is compared as normalised text.
  enum class Judged { forced, generated };
  // Positions that a locality compares when the request is longer afterwards than before.
  enum class Alignment { equal_lengths, last_positions };
  // BOS in front of a text. model: as the released processor does. none: where pictures come first
  // (BLIP-2) there is none, unless the model requires it (PromptLayout::requires_bos); other models
  // are asked as released. always, never: a user's choice, whatever the model.
  enum class Bos { model, none, always, never };
  // The space in front of an answer that is fed in. added: one is always added, also before a
  // space. completed: one is added unless the answer begins with a space. plain: one is added
  // unless the answer begins with a space or a newline.
  enum class AnswerSpace { added, completed, plain };

  std::string name = "mmedit-2024";
  std::string exception_for = {};  // the editor that it was changed for (for_editor); empty: none
  std::string question_template = "Question: {} Short answer:";        // {}: the bare question
  std::string image_locality_template = "Question: {} Short answer:";  // also beside a caption edit
  std::string text_locality_template = "{}";
  // Prompts that are no questions: an edit with one of these, and its probes, are asked bare.
  std::vector<std::string> captions = {"a photo of", "a picture of", "an image of", "a drawing of"};
  Judged judged = Judged::forced;
  Accuracy accuracy = Accuracy::exact_match;  // teacher-forced, of the target's tokens alone
  int64_t text_k = 1;
  int64_t image_k = 10;
  // What localities rank; ties go to the lowest token id.
  Ranking::On ranked_on = Ranking::On::softmax;
  std::optional<at::ScalarType> ranking_dtype = {};  // none: the one that the model is stored in
  Alignment alignment = Alignment::equal_lengths;
  Bos bos = Bos::none;
  AnswerSpace answer_space = AnswerSpace::added;
  // What is kept as the answers' texts: generated greedily, or (much cheaper on large models) the
  // best tokens at the answer's positions while the target is fed in.
  bool generate_answers = true;
  // An answer that begins with what is expected is right: of prompts that are to be gone on with.
  bool answers_go_on = false;
  int64_t max_new_tokens = 32;  // of the generated answers
};

// mmedit-2024, easyedit-trainer and easyedit-editor are what the field runs. strict: the answer is
// generated and neither the model nor an editor ever sees the target when it is judged; nothing is
// teacher-forced. Throws emend::Error for another name.
Protocol make_protocol(const std::string& name);
std::vector<std::string> protocol_names();
// As one editor is judged: IKE's request is longer afterwards, so the field judges it on other
// positions (and, in `mmedit-2024`, with other prompts); the exception is part of the result.
Protocol for_editor(const Protocol& protocol, const std::string& editor);

// As a suite's texts are asked: those that are to be gone on with, in no template.
Protocol for_suite(const Protocol& protocol, const Suite& suite);

// What localities rank on this model.
Ranking ranking_of(const Protocol& protocol, const Vlm& vlm);

// From here on the model's processor puts BOS in front of texts as the protocol says.
void set_bos(Vlm& vlm, const Protocol& protocol);

nlohmann::json to_json(const Protocol& protocol);
// The same with what the choices that depend on the model came to: `used` of `bos` (present,
// absent, or as_released, with the reason where that is not what was asked for) and of
// `ranking_dtype`.
nlohmann::json to_json(const Protocol& protocol, const Vlm& vlm);

// `{}` replaced; throws emend::Error when the template has none.
std::string fill_template(const std::string& pattern, const std::string& question);
// The record's prompt, or a probe's, as the model is to see it.
std::string edit_prompt(const Protocol& protocol, const Record& record);
std::string probe_prompt(const Protocol& protocol, const Record& record, const Probe& probe);
// The answer with the leading space that the protocol gives it.
std::string continuation(const Protocol& protocol, const std::string& answer);

const char* group_name(Group group);  // reliability, text_generality, ...
const std::vector<Group>& groups();   // in the order of reports

}  // namespace emend
