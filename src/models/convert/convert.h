#pragma once

#include <string>

#include "models/convert/parts.h"

namespace emend {

// A BLIP-2 with OPT, from LAVIS' files, as a folder of a Blip2ForConditionalGeneration.
struct Blip2Files {
  std::string checkpoint;  // blip2_pretrained_opt2.7b.pth, blip2_caption_opt2.7b.pth, ...
  std::string vit;         // eva_vit_g.pth; empty where the checkpoint has the tower
  std::string language;    // OPT's folder
};
// Throws emend::Error, which lists all that is missing or misshapen, and leaves nothing behind.
Conversion convert_blip2(const Blip2Files& files, const std::string& output,
                         const ConvertOptions& options = {});

// A MiniGPT-4 with a Vicuna, from its makers' files, as a folder of a
// MiniGPT4ForConditionalGeneration.
struct MiniGPT4Files {
  std::string vit;         // eva_vit_g.pth; empty where the Q-Former's file has the tower
  std::string qformer;     // blip2_pretrained_flant5xxl.pth
  std::string projection;  // pretrained_minigpt4_7b.pth
  std::string language;    // Vicuna's folder
};
Conversion convert_minigpt4(const MiniGPT4Files& files, const std::string& output,
                            const ConvertOptions& options = {});

}  // namespace emend
