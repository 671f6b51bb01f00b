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
  int64_t image_slots = 0;  // positions that one picture fills; 0: it reads text only
  // The placeholder that stands for a picture in text. Without an id it is no token, and what is on
  // either side of it is encoded by itself.
  std::optional<int64_t> image_token;
  std::string placeholder = "<image>";
  // Slots, then BOS and the text (BLIP-2). False: the slots are where the text's placeholder is.
  bool pictures_first = false;
  // What a bare prompt is put into, {} being the prompt; empty: it is asked as it is. The folder's
  // chat template, where it has one, takes their place.
  std::string with_picture, without_picture;
  bool chat_template = true;  // it does
  // The same for a prompt with a picture, but without a placeholder, that is not to be wrapped.
  std::string shown = "<image>\n{}";
  std::vector<int64_t> stop_tokens;     // generation ends at any of them
  bool generation_config_stops = true;  // generation_config.json, where there is one, says others
  // Settings of processor_config.json that have to be those of the model, as JSON.
  std::vector<std::pair<std::string, std::string>> settings;
};

}  // namespace emend
