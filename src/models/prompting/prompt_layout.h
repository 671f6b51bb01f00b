#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace emend {

// The prompt format of a model, as data: set by the architecture and then overridden by the
// folder's files.
struct PromptLayout {
  // The number of positions of a picture, or of a tile: 0 for a text-only model, and negative if it
  // depends on the size of the picture, which then has `image_tokens` positions.
  int64_t num_image_tokens = 0;
  std::function<int64_t(const at::Tensor& picture)> image_tokens = {};
  bool reads_pictures() const { return num_image_tokens != 0; }
  bool reads_several_pictures = false;  // in one prompt
  // The placeholder for a picture in text. Without an id, it is not in the vocabulary, and the text
  // on each side of it is tokenized separately.
  std::optional<int64_t> image_token;
  std::string placeholder = "<image>";
  // The placeholder for a video, which prompts must not contain.
  std::optional<int64_t> video_token = {};
  // True: image tokens, then BOS and the text (BLIP-2). False: image tokens replace the
  // placeholder.
  bool pictures_first = false;
  // The texts around the image tokens of a tiled picture (Idefics3): before each tile
  // ({row} and {column} count from 1), after each row of tiles, after all tiles, before the whole
  // picture, and after it. If all are empty, pictures are not tiled.
  std::string before_tile, after_row, after_tiles, before_whole, after_whole;
  // The templates of prompts with and without a picture, where {} is the prompt; empty: no
  // template. The folder's chat template overrides them.
  std::string with_picture, without_picture;
  bool chat_template = true;  // apply the folder's chat template if it has one
  // The template of a prompt with a picture and without a placeholder if templates are disabled.
  std::string bare_with_picture = "<image>\n{}";
  // A separator in these templates; empty: none. The text on each side of it is tokenized
  // separately.
  std::string text_separator;
  // Whether a text without a template and without a picture starts with BOS.
  bool bare_text_bos = true;
  // The model was trained with BOS before every text (`text_requires_bos` in config.json), so a
  // protocol without BOS does not suit it.
  bool requires_bos = false;
  // Token sequences that end an answer.
  std::vector<std::vector<int64_t>> stop_sequences;
  std::vector<int64_t> stop_tokens;     // generation ends at any of them
  bool generation_config_stops = true;  // generation_config.json, if present, overrides them
  // Settings of processor_config.json, and of the image processor, that must match the model, as
  // JSON.
  std::vector<std::pair<std::string, std::string>> settings, image_settings;
};

}  // namespace emend
