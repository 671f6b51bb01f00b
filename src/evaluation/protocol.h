#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluation/metrics.h"
#include "suites/record.h"

namespace emend {

// How an edit is judged, as data: it is named in every result. The default is the field's code of
// April-May 2024 (`mmedit-2024`).
struct Protocol {
  enum class Accuracy { exact_match, token_accuracy };

  std::string name = "mmedit-2024";
  std::string question_template = "Question: {} Short answer:";        // {}: the bare question
  std::string image_locality_template = "Question: {} Short answer:";  // also beside a caption edit
  std::string text_locality_template = "{}";
  // Prompts that are no questions: an edit with one of these, and its probes, are asked bare.
  std::vector<std::string> captions = {"a photo of", "a picture of", "an image of", "a drawing of"};
  Accuracy accuracy = Accuracy::exact_match;  // teacher-forced, of the target's tokens alone
  int64_t text_k = 1;
  int64_t image_k = 10;
  Ranking ranking = Ranking::softmax_float16;  // ties to the lowest token id
  int64_t max_new_tokens = 32;                 // of the generated answers
};

nlohmann::json to_json(const Protocol& protocol);

// `{}` replaced; throws emend::Error when the template has none.
std::string fill_template(const std::string& pattern, const std::string& question);
// The record's prompt, or a probe's, as the model is to see it.
std::string edit_prompt(const Protocol& protocol, const Record& record);
std::string probe_prompt(const Protocol& protocol, const Record& record, const Probe& probe);
// With the leading space that makes it a continuation.
std::string continuation(const std::string& answer);

const char* group_name(Group group);  // reliability, text_generality, ...
const std::vector<Group>& groups();   // in the order of reports

}  // namespace emend
