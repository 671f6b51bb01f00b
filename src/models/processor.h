#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/image.h"
#include "io/image_processor.h"
#include "models/pass.h"
#include "text/tokenizer.h"

namespace emend {

// What the released processor does: pictures to pixels, text to rows in the model's prompt layout.
class Processor {
 public:
  static Processor load(const std::string& folder, int64_t image_slots);

  // (3, H, W) float32.
  at::Tensor pixels(const Image& image) const { return image_processor.pixels(image); }
  // Image slots (if any) first, BOS, then the text's tokens. `image` is its index in the batch, -1:
  // none. Placeholders that a text with an image begins with (`<image>`) are those slots already.
  // Throws emend::Error when the text is empty, or has a placeholder elsewhere.
  Row row(const std::string& text, int64_t image = -1) const;
  // Tokens of a target as continuation of a prompt; throws when there are none.
  std::vector<int64_t> target(const std::string& text) const;

  std::shared_ptr<const Tokenizer> tokenizer;
  ImageProcessor image_processor;
  int64_t image_slots = 0;
  std::vector<int64_t> stop_tokens;    // generation ends at any of them
  std::optional<int64_t> image_token;  // the placeholder that stands for a slot in text
};

}  // namespace emend
