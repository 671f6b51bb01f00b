#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// Texts that the model generates, each with a final ". ", to put before the prompt of an edit. The
// generation starts from The, Therefore, Because, I and You in turn [MEMIT, arXiv 2210.07229].
std::vector<std::string> generated_prefixes(const Vlm& vlm, int64_t count, int64_t tokens,
                                            uint64_t seed);

// The request with a prefix at the start of its question: after the image tokens and inside the
// user's turn of a chat template.
EditRequest with_prefix(const Vlm& vlm, const EditRequest& request, const std::string& prefix);

// The request with altered copies of its picture: shifted, cropped, lighter or darker, and noisy.
// The same seed gives the same bytes. Empty without a picture.
std::vector<EditRequest> with_altered_pictures(const EditRequest& request, int64_t count,
                                               uint64_t seed);

}  // namespace emend
