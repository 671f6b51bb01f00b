#pragma once

#include <string>

#include "models/sentence/sentence_encoder.h"

namespace emend {

// The settings of a sentence-transformers folder, whose modules.json lists the modules.
struct SentenceFolder {
  // The folder with config.json, weights and tokenizer: the folder itself, or one in it.
  std::string model;
  SentenceEncoder::Pooling pooling;
  bool normalized = false;  // to length 1
  int64_t max_length;       // maximum number of tokens, including special tokens

  std::string file(const std::string& name) const;
  // All settings as text; equal for equivalent folders.
  std::string canonical() const;

  // A plain model folder has only a length. Throws emend::Error if it is not a folder, or requires
  // other pooling modes or modules.
  static SentenceFolder read(const std::string& folder, SentenceEncoder::Pooling otherwise);
};

}  // namespace emend
