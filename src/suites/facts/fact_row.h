#pragma once

#include <string>
#include <vector>

#include "suites/facts/row_fields.h"

namespace emend {

// A fact to edit in a language model: an object of CounterFact's, zsRE's, KnowEdit's or MQuAKE's
// files.
struct FactRow {
  struct Question {
    std::string text, answer;
  };

  std::string form;  // "counterfact", "zsre", "knowedit", "mquake"
  std::string prompt, target;
  std::string before;  // the model's own answer, where the file has it
  std::string truth;   // what holds without the edit, where the file says so
  std::vector<std::string> rewordings;
  std::vector<Question> locality, portability;
  std::string filtered;  // why the row is left out, e.g. "empty target"; empty: it is not
};

// The form is recognized by the row's fields:
//   counterfact  requested_rewrite (as released, arXiv 2202.05262), or prompt and target_new
//   zsre         src and alt (arXiv 2110.11309)
//   knowedit     prompt and target_new, or text and labels, with lists of questions in locality and
//                portability (arXiv 2401.01286)
//   mquake       requested_rewrite as a list (arXiv 2305.14795); rows that combine several edits
//                are left out
// Throws emend::Error that names file and row for anything else.
FactRow parse_fact_row(const RowFields& fields);

}  // namespace emend
