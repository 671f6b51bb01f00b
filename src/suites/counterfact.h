#pragma once

#include <memory>

#include "suites/suite.h"

namespace emend {

// CounterFact (arXiv 2202.05262): facts of language models, no pictures. Reads the released file
// (requested_rewrite, paraphrase_prompts, neighborhood_prompts) and the flat rows that editors'
// repositories pass round (prompt, target_new, ground_truth, rephrase_prompt, locality_prompt,
// locality_ground_truth). Rows without a prompt or a target are left out.
// Throws emend::Error, with file and row, for anything else.
std::unique_ptr<Suite> open_counterfact(const SuiteOptions& options);

}  // namespace emend
