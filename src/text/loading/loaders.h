#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace emend::text {

// The kinds of folder that Tokenizer::load reads, one file of this room each.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::string& file);
std::unique_ptr<Tokenizer> load_vocab_merges(const std::string& folder);
std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& folder);
std::unique_ptr<Tokenizer> load_vocab_txt(const std::string& folder);  // BERT's older releases

}  // namespace emend::text
