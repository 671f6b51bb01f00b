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

// A message of a conversation: texts and pictures in their order.
struct ChatMessage {
  // A text, or a picture (std::nullopt).
  using Part = std::optional<std::string>;

  std::string role;  // system, user or assistant
  std::vector<Part> parts;

  // The pictures are before the text.
  static ChatMessage of(const std::string& role, const std::string& text, int64_t pictures);
  int64_t pictures() const;
  std::string text() const;  // all texts, without the pictures
};

// A picture of a row: the index in the batch of its first tile, and its tiles.
struct RowPicture {
  int64_t first;
  const Tiles* tiles;
};

// The file of a model's folder that has the settings of the image processor. Newer releases save
// one file for the whole processor, processor_config.json, which can have these settings under the
// key image_processor. Returns the path of preprocessor_config.json if neither file has them.
std::string image_processor_file(const std::string& folder);

// The processor of a model: preprocesses pictures, and converts text to rows in the model's prompt
// layout.
class Processor {
 public:
  // `wrap`: put prompts into the layout's templates. `date`, YYYY-MM-DD: the current date for chat
  // templates. Warns about settings of generation_config.json that are not implemented.
  static Processor load(const std::string& folder, const PromptLayout& layout, bool wrap = true,
                        const std::string& date = {});

  // (N, 3, H, W) float32. `alone`: the prompt has no other picture. Throws emend::Error if the
  // model reads text only.
  Tiles tiles(const Image& image, bool alone = true) const;
  // The whole picture, (3, H, W), without its tiles.
  at::Tensor pixels(const Image& image) const;
  // Returns BOS (see `bos`) and the tokens of the prompt, with image tokens (if any) at the start
  // or at its placeholder. `image` is the index in the batch; -1: none. A tiled picture has its
  // tiles from index `image`, followed by the whole picture. Placeholders may occur once, or
  // (without tiles) once for each image token. Throws emend::Error if the text is empty, a
  // placeholder is in a wrong place, or a text-only model gets a picture.
  Row row(const std::string& text, int64_t image = -1, int rows = 0, int columns = 0) const;
  // The same for preprocessed pictures, whose sizes can decide the numbers of image tokens. Several
  // pictures have a placeholder each, in their order. Throws emend::Error if the model reads one
  // picture in a prompt.
  Row row(const std::string& text, const std::vector<RowPicture>& pictures) const;
  // Returns the formatted prompt: the text in the layout's template, unless it contains the image
  // placeholder or ends like a formatted prompt. Throws emend::Error if there are several pictures,
  // and neither the text nor a chat template places them.
  std::string prompt(const std::string& text, int64_t pictures) const;
  // Whether conversations are formatted by a chat template.
  bool has_chat_template() const { return chat_.has_value(); }
  // Returns the formatted prompt of a conversation, which ends where the assistant answers. Throws
  // emend::Error if there is no chat template, or if the template refuses the messages.
  std::string conversation(const std::vector<ChatMessage>& messages) const;
  // Whether the tokenizer has a BOS token.
  bool has_bos() const { return !begin_.empty(); }
  // Whether prompts are put into a template.
  bool wraps(bool picture) const {
    return !(picture ? layout.with_picture : layout.without_picture).empty();
  }
  // Tokenizes a target as the continuation of a prompt: its leading space is a space, and no
  // special tokens are added. Throws emend::Error if there are no tokens.
  std::vector<int64_t> target(const std::string& text) const;

  std::shared_ptr<const Tokenizer> tokenizer;
  ImageProcessor image_processor;
  PromptLayout layout;
  std::vector<int64_t> stop_tokens;  // generation ends at any of them
  // Whether a text starts with BOS. released: as in the released processor.
  enum class Bos { released, always, never };
  Bos bos = Bos::released;
  GenerationConfig generation;
  // Whether the formatted prompt contains the current date.
  bool asks_with_date() const { return chat_ && chat_->uses_date(); }

 private:
  void check_reads_pictures() const;
  // Throws emend::Error if the model cannot read so many pictures in a prompt.
  void check_pictures(size_t pictures) const;
  std::string render(const std::string& text, int64_t pictures) const;
  std::vector<int64_t> encode(const std::string& text, bool bos) const;
  std::vector<std::vector<int64_t>> pieces(const std::string& text, bool bos) const;
  // A picture in a row: the index of its first tile, its tiles, and the positions of each.
  struct PlacedPicture {
    int64_t first;
    int rows, columns;
    int64_t positions;
    int64_t tiles() const { return int64_t{rows} * columns + 1; }
  };
  Row row(const std::string& text, const std::vector<PlacedPicture>& pictures) const;
  Row pictures_first(const std::string& text, const std::vector<PlacedPicture>& pictures) const;
  Row in_place(const std::string& text, const std::vector<PlacedPicture>& pictures) const;
  // Replaces the placeholder of each picture by one for each tile, with the texts around tiles.
  std::string spelled_out(const std::string& text,
                          const std::vector<PlacedPicture>& pictures) const;
  [[noreturn]] void refuse_placeholder(size_t pictures) const;

  std::optional<ChatTemplate> chat_;
  std::vector<int64_t> begin_;  // the special tokens before a text (BOS)
  bool spaced_ = false;         // the tokenizer adds a space before a text (SentencePiece)
};

}  // namespace emend
