#pragma once

namespace emend::text {

// What Hugging Face's BERT steps see in a character. Their tables are of an early Unicode, so that
// later characters are plain ones.
bool is_bert_dropped(char32_t c);      // control, format, private use, U+0000, U+FFFD
bool is_bert_ideograph(char32_t c);    // a word of its own
bool is_bert_mark(char32_t c);         // an accent, when it stands alone: non-spacing marks
bool is_bert_moving(char32_t c);       // marks, and what decomposing puts in order among them
bool is_bert_punctuation(char32_t c);  // a word of its own, ASCII's symbols included

}  // namespace emend::text
