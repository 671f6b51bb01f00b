#pragma once

#include <cstdint>
#include <string>

#include "exports/gguf/gguf_writer.h"

namespace emend {

// The metadata tokenizer.* of a Hugging Face folder. llama.cpp has two of its tokenizers: `gpt2`
// (byte-level BPE, from tokenizer.json; its splitting of texts is chosen by a name, `pre`), and
// `llama` (SentencePiece, from tokenizer.model, or BPE with byte fallback from tokenizer.json).
// `vocabulary`: rows of the embeddings; rows without a token become unused tokens. `pre`: the name
// of the splitting, instead of the one that fits the tokenizer; empty: none given. Throws
// emend::Error if llama.cpp has no such tokenizer.
GgufMetadata gguf_tokenizer(const std::string& folder, int64_t vocabulary,
                            const std::string& pre = {});

}  // namespace emend
