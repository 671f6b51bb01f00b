#pragma once

#include <string>

#include "models/sentence/sentence_encoder.h"

namespace emend {

// What a folder of sentence-transformers says beside its model: modules.json names the steps.
struct SentenceFolder {
  std::string model;  // where config.json, weights and tokenizer are: the folder, or one in it
  SentenceEncoder::Pooling pooling;
  bool normalized = false;  // to length 1
  int64_t max_length;       // tokens of a text, special ones included

  std::string file(const std::string& name) const;
  // The same for folders that say the same.
  std::string canonical() const;

  // A plain model's folder says nothing but the length. Throws emend::Error when it is no folder,
  // or asks for what is not implemented: other poolings, further steps.
  static SentenceFolder read(const std::string& folder, SentenceEncoder::Pooling otherwise);
};

}  // namespace emend
