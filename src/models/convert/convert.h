#pragma once

#include <string>

#include "models/convert/parts.h"

namespace emend {

// LAVIS files of a BLIP-2 with OPT, to be converted to a Blip2ForConditionalGeneration folder.
struct Blip2Files {
  std::string checkpoint;  // blip2_pretrained_opt2.7b.pth, blip2_caption_opt2.7b.pth, ...
  std::string vit;         // eva_vit_g.pth; empty if the checkpoint contains the vision tower
  std::string language;    // the folder of OPT
};
// Throws emend::Error, which lists all missing tensors and wrong shapes, and then writes nothing.
Conversion convert_blip2(const Blip2Files& files, const std::string& output,
                         const ConvertOptions& options = {});

// The released files of a MiniGPT-4 with Vicuna, to be converted to a
// MiniGPT4ForConditionalGeneration folder.
struct MiniGPT4Files {
  std::string vit;         // eva_vit_g.pth; empty if the Q-Former's file contains the vision tower
  std::string qformer;     // blip2_pretrained_flant5xxl.pth
  std::string projection;  // pretrained_minigpt4_7b.pth
  std::string language;    // the folder of Vicuna
};
Conversion convert_minigpt4(const MiniGPT4Files& files, const std::string& output,
                            const ConvertOptions& options = {});

}  // namespace emend
