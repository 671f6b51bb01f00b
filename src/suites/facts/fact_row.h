#pragma once

#include <string>
#include <vector>

#include "suites/facts/row_fields.h"

namespace emend {

// A fact to edit in a language model: an object of a CounterFact, zsRE, KnowEdit or MQuAKE file.
struct FactRow {
  struct Question {
    std::string text, answer;
  };

  std::string form;  // "counterfact", "zsre", "knowedit", "mquake"
  std::string prompt, target;
  std::string before;   // the model's answer before the edit, if the file has it
  std::string subject;  // the words of the prompt that the fact is about, if the file has them
  std::string truth;    // the correct answer without the edit, if the file has it
  // Whether the probabilities of target and truth are compared, as in the literature on
  // CounterFact, whose locality prompts have the truth as their answer.
  bool compares_truth = false;
  std::vector<std::string> rewordings;
  std::vector<Question> locality, portability;
  std::string filtered;  // the reason to leave the row out, such as "empty target"; or empty
};

// The fields of the row determine its format:
//   counterfact  requested_rewrite (as released, arXiv 2202.05262), or prompt and target_new
//   zsre         src and alt (arXiv 2110.11309)
//   knowedit     prompt and target_new, or text and labels, with lists of questions in locality and
//                portability (arXiv 2401.01286)
//   mquake       requested_rewrite as a list (arXiv 2305.14795); rows that combine several edits
//                are left out
// Throws emend::Error with file and row for anything else.
FactRow parse_fact_row(const RowFields& fields);

}  // namespace emend
