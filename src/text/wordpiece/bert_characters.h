#pragma once

namespace emend::text {

// Character classes of BERT's normalizer and pre-tokenizer in Hugging Face tokenizers. Their tables
// are of an early Unicode version; later characters belong to none of the classes.
bool is_bert_dropped(char32_t c);    // control, format, private use, U+0000, U+FFFD
bool is_bert_ideograph(char32_t c);  // a word by itself
bool is_bert_mark(char32_t c);       // nonspacing marks, which stripping accents removes
bool is_bert_moving(char32_t c);     // marks, and characters that decomposition reorders among them
bool is_bert_punctuation(char32_t c);  // a word by itself; includes the symbols of ASCII

}  // namespace emend::text
