#pragma once

#include <memory>
#include <string>

#include "models/sentence/sentence_encoder.h"

namespace emend {

// How an editor says by what it compares texts, and whom it asks for it.
struct EncoderChoice {
  std::string editor, setting;  // for errors: "serac", "encoder"
  std::string folder;
  std::string fingerprint;  // the one that it must have; empty: any
  SentenceEncoder::Pooling pooling = SentenceEncoder::Pooling::mean;
};

// Throws emend::Error when the folder is not there, is no sentence encoder, or is another one.
std::shared_ptr<const SentenceEncoder> open_encoder(const EncoderChoice& choice, at::Device device);

}  // namespace emend
