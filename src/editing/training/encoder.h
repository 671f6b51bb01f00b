#pragma once

#include <memory>
#include <string>

#include "models/sentence/sentence_encoder.h"

namespace emend {

// The sentence encoder that a setting of an editor selects.
struct EncoderChoice {
  std::string editor, setting;  // for errors: "serac", "encoder"
  std::string folder;
  std::string fingerprint;  // the required fingerprint; empty: any
  SentenceEncoder::Pooling pooling = SentenceEncoder::Pooling::mean;
};

// Throws emend::Error if the folder does not exist, is not a sentence encoder, or has another
// fingerprint.
std::shared_ptr<const SentenceEncoder> open_encoder(const EncoderChoice& choice, at::Device device);

}  // namespace emend
