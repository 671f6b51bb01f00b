#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend::testing {

// A batch gives the answers of its prompts alone, also with features from an activation store.
inline void expect_answers_of_single_prompts(const Vlm& vlm, const std::vector<Query>& queries) {
  GenerationOptions options;
  options.max_new_tokens = 6;
  ActivationStore store{ActivationStore::Options()};
  const auto together = generate(vlm, queries, {}, options);
  EXPECT_EQ(generate(vlm, queries, {}, options, &store), together);
  EXPECT_EQ(generate(vlm, queries, {}, options, &store), together);  // features from the store
  for (size_t i = 0; i < queries.size(); ++i)
    EXPECT_EQ(generate(vlm, {queries[i]}, {}, options)[0], together[i]) << i;
}

}  // namespace emend::testing
