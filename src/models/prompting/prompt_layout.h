#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace emend {

// How a model is asked, as data: first what its architecture says, then what its folder's files
// make of that.
struct PromptLayout {
  // Positions that one picture, or one tile of it, fills; 0: it reads text only.
  int64_t image_slots = 0;
  // The placeholder that stands for a picture in text. Without an id it is no token, and what is on
  // either side of it is encoded by itself.
  std::optional<int64_t> image_token;
  std::string placeholder = "<image>";
  // Slots, then BOS and the text (BLIP-2). False: the slots are where the text's placeholder is.
  bool pictures_first = false;
  // What is around the slots of a picture that a placeholder stands for (Idefics3): before a tile
  // ({row} and {column} count from 1), behind a row of tiles, behind all of them, before the whole
  // picture and behind it. Empty: nothing, and there are no tiles.
  std::string before_tile, after_row, after_tiles, before_whole, after_whole;
  // What a bare prompt is put into, {} being the prompt; empty: it is asked as it is. The folder's
  // chat template, where it has one, takes their place.
  std::string with_picture, without_picture;
  bool chat_template = true;  // it does
  // The same for a prompt with a picture, but without a placeholder, that is not to be wrapped.
  std::string shown = "<image>\n{}";
  // A mark that these patterns may have: what is on either side of it is encoded by itself.
  std::string seam;
  // Whether a text that is neither wrapped nor about a picture begins with BOS.
  bool bare_text_bos = true;
  // The model was trained with BOS in front of every text (`text_requires_bos` in config.json), so
  // that a way of asking which leaves it out does not fit the model.
  bool requires_bos = false;
  // An answer ends before any of these.
  std::vector<std::vector<int64_t>> stop_sequences;
  std::vector<int64_t> stop_tokens;     // generation ends at any of them
  bool generation_config_stops = true;  // generation_config.json, where there is one, says others
  // Settings of processor_config.json that have to be those of the model, as JSON.
  std::vector<std::pair<std::string, std::string>> settings;
};

}  // namespace emend
