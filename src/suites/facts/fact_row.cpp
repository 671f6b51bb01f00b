#include "suites/facts/fact_row.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kFactRowPlace = "suites::counterfact";

using Questions = std::vector<FactRow::Question>;

void add_text(std::vector<std::string>& texts, std::string text) {
  if (!text.empty()) texts.push_back(std::move(text));
}

void add_question(Questions& questions, std::string text, std::string answer) {
  if (!text.empty() && !answer.empty()) questions.push_back({std::move(text), std::move(answer)});
}

// The prompt of a rewrite, with the subject inserted.
std::string rewrite_prompt(const RowFields& rewrite) {
  auto prompt = rewrite.text("prompt");
  if (const auto slot = prompt.find("{}"); slot != std::string::npos)
    prompt.replace(slot, 2, rewrite.text("subject"));
  return prompt;
}

std::string rewrite_answer(const RowFields& rewrite, const char* name) {
  if (!rewrite.is_object(name))
    rewrite.refuse(name, "is not an object with 'str'",
                   fmt::format("write \"{}\": {{\"str\": \"...\"}}", name));
  return rewrite.object(name).answer("str");
}

FactRow counterfact_released(const RowFields& fields) {
  FactRow fact;
  const auto rewrite = fields.object("requested_rewrite");
  fact.prompt = rewrite_prompt(rewrite);
  fact.subject = rewrite.text_or_empty("subject");
  fact.target = rewrite_answer(rewrite, "target_new");
  fact.truth = rewrite_answer(rewrite, "target_true");
  fact.compares_truth = true;
  fact.rewordings = fields.texts("paraphrase_prompts");
  // Prompts about neighbors have the fact that the edit changes.
  for (auto& text : fields.texts("neighborhood_prompts"))
    add_question(fact.locality, text, fact.truth);
  return fact;
}

// EasyEdit adds one consequence of the edit to its files.
void add_new_question(const RowFields& fields, FactRow& fact) {
  if (!fields.has("portability")) return;
  const auto follows = fields.object("portability");
  add_question(fact.portability, follows.text_or_empty("New Question"),
               follows.answer_or_empty("New Answer"));
}

FactRow counterfact_flat(const RowFields& fields) {
  FactRow fact;
  fact.prompt = fields.text("prompt");
  fact.subject = fields.text_or_empty("subject");
  fact.target = fields.answer("target_new");
  fact.truth = fields.first_answer("ground_truth");
  fact.compares_truth = true;
  add_text(fact.rewordings, fields.text_or_empty("rephrase_prompt"));
  add_question(fact.locality, fields.text_or_empty("locality_prompt"),
               fields.answer_or_empty("locality_ground_truth"));
  add_new_question(fields, fact);
  return fact;
}

FactRow zsre(const RowFields& fields) {
  FactRow fact;
  fact.prompt = fields.text("src");
  fact.subject = fields.text_or_empty("subject");
  fact.target = fields.answer("alt");
  fact.before = fields.answer_or_empty("pred");
  fact.truth = fields.first_answer("answers");
  add_text(fact.rewordings, fields.text_or_empty("rephrase"));
  // The prefix `nq question: ` is kept, as in EasyEdit.
  add_question(fact.locality, fields.text_or_empty("loc"), fields.answer_or_empty("loc_ans"));
  add_new_question(fields, fact);
  return fact;
}

// {"Relation_Specificity": [{"prompt": ..., "ground_truth": [["answer", "alias"]]}], ...}
Questions knowedit_questions(const RowFields& fields, const char* name) {
  Questions questions;
  if (!fields.has(name)) return questions;
  const auto criteria = fields.object(name);
  for (const auto& criterion : criteria.names())
    for (const auto& asked : criteria.objects(criterion))
      add_question(questions, asked.first_answer("prompt"), asked.first_answer("ground_truth"));
  return questions;
}

FactRow knowedit(const RowFields& fields) {
  FactRow fact;
  const bool biography = fields.has("labels") && !fields.has("target_new");
  fact.prompt = fields.text(biography ? "text" : "prompt");
  fact.subject = fields.text_or_empty("subject");
  fact.target = fields.answer(biography ? "labels" : "target_new");
  fact.truth = fields.first_answer("ground_truth");
  for (const char* name : {"rephrase_prompt", "rephrase"})
    if (fields.has(name)) add_text(fact.rewordings, fields.answer(name));
  fact.locality = knowedit_questions(fields, "locality");
  fact.portability = knowedit_questions(fields, "portability");
  return fact;
}

FactRow mquake(const RowFields& fields) {
  FactRow fact;
  const auto rewrites = fields.objects("requested_rewrite");
  if (rewrites.size() != 1) {
    fact.filtered = rewrites.empty() ? "no edit" : "several edits in one row";
    return fact;
  }
  const auto& rewrite = rewrites.front();
  fact.prompt = rewrite_prompt(rewrite);
  fact.subject = rewrite.text_or_empty("subject");
  fact.target = rewrite_answer(rewrite, "target_new");
  fact.truth = rewrite_answer(rewrite, "target_true");
  add_text(fact.rewordings, rewrite.text_or_empty("question"));
  const auto answer = fields.answer("new_answer");
  for (auto& text : fields.texts("questions")) add_question(fact.portability, text, answer);
  return fact;
}

struct Form {
  const char *name, *prompt, *target;  // prompt, target: the names of these fields in the format
  bool (*fits)(const RowFields&);
  FactRow (*read)(const RowFields&);
};

bool has_groups(const RowFields& fields) {
  for (const char* name : {"locality", "portability"})
    if (fields.has(name) && fields.is_object(name) && !fields.object(name).has("New Question"))
      return true;
  return false;
}

// The first matching format is used.
constexpr Form kForms[] = {
    {"counterfact", "prompt", "target_new",
     [](const RowFields& f) { return f.is_object("requested_rewrite"); }, counterfact_released},
    {"mquake", "prompt", "target_new",
     [](const RowFields& f) { return f.has("requested_rewrite"); }, mquake},
    {"knowedit", "prompt", "target_new",
     [](const RowFields& f) {
       return (f.has("prompt") && has_groups(f)) || (f.has("text") && f.has("labels"));
     },
     knowedit},
    {"counterfact", "prompt", "target_new", [](const RowFields& f) { return f.has("prompt"); },
     counterfact_flat},
    {"zsre", "src", "alt", [](const RowFields& f) { return f.has("src") && f.has("alt"); }, zsre}};

}  // namespace

FactRow parse_fact_row(const RowFields& fields) {
  for (const char* name : {"image", "image_rephrase", "m_loc"})
    if (fields.has(name))
      throw Error(kFactRowPlace,
                  fmt::format("'{}' has a picture ('{}'), but this suite reads text only",
                              fields.where(), name),
                  "use --suite mmedit-json for rows with pictures");
  for (const auto& form : kForms) {
    if (!form.fits(fields)) continue;
    auto fact = form.read(fields);
    fact.form = form.name;
    if (fact.filtered.empty() && fact.prompt.empty())
      fact.filtered = std::string("empty ") + form.prompt;
    if (fact.filtered.empty() && fact.target.empty())
      fact.filtered = std::string("empty ") + form.target;
    return fact;
  }
  auto names = fmt::format("{}", fmt::join(fields.names(), ", "));
  throw Error(kFactRowPlace,
              fmt::format("'{}' has an unknown format; its fields are: {}", fields.where(),
                          names.empty() ? "none" : names.substr(0, 200)),
              "CounterFact has requested_rewrite, or prompt and target_new; zsRE src and alt; "
              "KnowEdit prompt, target_new, locality and portability; MQuAKE a list "
              "requested_rewrite");
}

}  // namespace emend
