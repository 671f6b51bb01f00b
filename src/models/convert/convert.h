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

}  // namespace emend
