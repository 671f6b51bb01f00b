#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace emend::text {

// The kinds of folders that Tokenizer::load reads; each has a .cpp file in this folder.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::string& file);
std::unique_ptr<Tokenizer> load_vocab_merges(const std::string& folder);
std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& folder);
std::unique_ptr<Tokenizer> load_vocab_txt(const std::string& folder);  // older BERT folders

}  // namespace emend::text
