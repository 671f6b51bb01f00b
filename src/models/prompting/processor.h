#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/image/image.h"
#include "io/image/processor.h"
#include "models/core/pass.h"
#include "models/generation/generation_config.h"
#include "models/prompting/prompt_layout.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace emend {

// What the released processor does: pictures to pixels, text to rows in the model's prompt layout.
class Processor {
 public:
  // `wrap`: put bare prompts into the layout's templates. `date`, YYYY-MM-DD: a chat template's
  // today. Warns about settings of generation_config.json that are not implemented.
  static Processor load(const std::string& folder, const PromptLayout& layout, bool wrap = true,
                        const std::string& date = {});

  // (N, 3, H, W) float32. Throws emend::Error when the model reads text only.
  Tiles tiles(const Image& image) const;
  // The whole picture, (3, H, W), without its tiles.
  at::Tensor pixels(const Image& image) const;
  // BOS (see `bos`) and the tokens of the prompt, with image slots (if any) first or where its
  // placeholder is. `image` is its index in the batch, -1: none; a picture in rows and columns of
  // tiles has those at `image` and behind, itself last. Placeholders may be there once, or (without
  // tiles) once for each slot. Throws emend::Error when the text is empty, when a placeholder is
  // where no picture goes, and when a text-only model is shown a picture.
  Row row(const std::string& text, int64_t image = -1, int rows = 0, int columns = 0) const;
  // The text as it is asked: wrapped where the layout says so, unless it has the placeholder of a
  // picture or ends as a wrapped one does.
  std::string prompt(const std::string& text, bool picture) const;
  // Whether the tokenizer has a BOS to put in front of a text.
  bool has_bos() const { return !begin_.empty(); }
  // Whether bare prompts are put into anything.
  bool wraps(bool picture) const {
    return !(picture ? layout.with_picture : layout.without_picture).empty();
  }
  // Tokens of a target as continuation of a prompt, in which its leading space is a space and
  // nothing is put before it; throws when there are none.
  std::vector<int64_t> target(const std::string& text) const;

  std::shared_ptr<const Tokenizer> tokenizer;
  ImageProcessor image_processor;
  PromptLayout layout;
  std::vector<int64_t> stop_tokens;  // generation ends at any of them
  // Whether a text begins with BOS. released: as the released processor does.
  enum class Bos { released, always, never };
  Bos bos = Bos::released;
  GenerationConfig generation;
  // Whether what is asked names today's date.
  bool asks_with_date() const { return chat_ && chat_->uses_date(); }

 private:
  void check_sees() const;
  std::string render(const std::string& text, bool picture) const;
  std::vector<int64_t> encode(const std::string& text, bool bos) const;
  std::vector<std::vector<int64_t>> pieces(const std::string& text, bool bos) const;
  Row pictures_first(const std::string& text, int64_t image) const;
  std::string spelled_out(std::string text, int rows, int columns) const;
  Row in_place(const std::string& text, int64_t image, int rows, int columns) const;
  [[noreturn]] void refuse_placeholder() const;

  std::optional<ChatTemplate> chat_;
  std::vector<int64_t> begin_;  // what the tokenizer puts before a text (BOS)
  bool spaced_ = false;         // it puts a space there, too (SentencePiece)
};

}  // namespace emend
