"""Writes src/text/wordpiece/bert_characters.cpp: the classes of characters that the BERT steps of
Hugging Face tokenizers use.

    python tools/reference/text/make_bert_characters.py

Needs the package tokenizers. Its tables are of an early Unicode version. The script queries it for
every character, so that emend's tables are the same, whatever Unicode version the machine has.
"""

import pathlib

from tokenizers import normalizers, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parents[3] / "src/text/wordpiece/bert_characters.cpp"
OFF = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(characters):
    found = []
    for c in characters:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def where(step, test):
    return ranges([c for c in CHARACTERS if test(step("a" + chr(c) + "b"))])


def normalizer(**on):
    return normalizers.BertNormalizer(**{**OFF, **on}).normalize_str


def table(name, found):
    lines, line = [], "   "
    for first, last in found:
        entry = f" {{0x{first:x}, 0x{last:x}}},"
        if len(line + entry) > 100:
            lines.append(line)
            line = "   "
        line += entry
    return f"constexpr Range {name}[] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def moves(c):
    """Whether normalization reorders the character and other marks, of the first or the last
    class."""
    decompose = normalizers.NFD().normalize_str
    return any(decompose(text) != text for text in (chr(c) + "\u0334", "\u0345" + chr(c)))


def main():
    marks = where(normalizer(strip_accents=True), lambda text: text == "ab")
    still = {c for first, last in marks for c in range(first, last + 1)}
    moving = [c for c in CHARACTERS if c not in still and normalizers.NFD().normalize_str(chr(c)) == chr(c) and moves(c)]
    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    tables = {
        "kDropped": where(normalizer(clean_text=True), lambda text: text == "ab"),
        "kIdeographs": where(normalizer(handle_chinese_chars=True), lambda text: len(text) == 5),
        "kMarks": marks,
        "kMoving": ranges(moving),
        "kPunctuation": where(cut, lambda pieces: len(pieces) == 3),
    }
    text = """// Written by tools/reference/text/make_bert_characters.py.
// clang-format off
#include "text/wordpiece/bert_characters.h"

#include <algorithm>
#include <iterator>

namespace emend::text {
namespace {

struct Range {
  char32_t first, last;
};
"""
    text += "".join(table(name, found) for name, found in tables.items())
    text += """
template <size_t count>
bool within(const Range (&ranges)[count], char32_t c) {
  const auto* range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                       [](const Range& r, char32_t value) { return r.last < value; });
  return range != std::end(ranges) && range->first <= c;
}

}  // namespace

bool is_bert_dropped(char32_t c) { return within(kDropped, c); }
bool is_bert_ideograph(char32_t c) { return within(kIdeographs, c); }
bool is_bert_mark(char32_t c) { return within(kMarks, c); }
bool is_bert_moving(char32_t c) { return within(kMarks, c) || within(kMoving, c); }
bool is_bert_punctuation(char32_t c) { return within(kPunctuation, c); }

}  // namespace emend::text
"""
    OUT.write_text(text)


if __name__ == "__main__":
    main()
