"""Writes src/text/testdata/small_bert, small_bert_cased and bert_characters.json: the results of
Hugging Face's WordPiece for the lines of tokenizer_lines.py, and of its BERT steps for every
character.

    python tools/reference/text/make_word_piece_fixtures.py

Needs the packages tokenizers and transformers. The tokenizers are trained on these lines: one is
saved as tokenizer.json, with all kinds of added tokens, one as vocab.txt. The results of each line
are those of make_tokenizer_fixtures.py. bert_characters.json has 32-bit FNV-1a hashes, one for each
block of 4096 code points, of "a?b" for each character, followed by a line feed:
    uncased     normalized as in BERT's uncased models
    cased       normalized as in its cased models
    words       split, with bars between the pieces
and `mixed`, of 2000 strings of marks and base characters, uncased.
"""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from make_tokenizer_fixtures import OUT, backend, expect, fnv, save
from tokenizer_lines import lines

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Marks of several Unicode versions, spacing marks, letters that decompose, and plain ones.
MIXED = [(0x41, 0x45), (0xE0, 0xE5), (0x300, 0x345), (0x5B0, 0x5B9), (0x898, 0x89F), (0x1AB0, 0x1ACE),
         (0x1DF5, 0x1DFB), (0x302A, 0x302F), (0xAC00, 0xAC08), (0xFB1D, 0xFB20), (0x11935, 0x11938),
         (0x16FF0, 0x16FF1), (0x1D165, 0x1D172), (0x1E8D0, 0x1E8D6)]


def trained(lowercase, size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    corpus = [t for t in lines() if isinstance(t, str)]
    tokenizer.train_from_iterator(corpus, trainers.WordPieceTrainer(
        vocab_size=size, limit_alphabet=300, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def uncased():
    tokenizer = trained(True, 1000)
    tokenizer.add_tokens([AddedToken("[WORD]", single_word=True), AddedToken("[LEFT]", lstrip=True, normalized=False),
                          AddedToken("star", single_word=True), AddedToken("Éa!", normalized=True)])
    tokenizer.add_special_tokens([AddedToken("[BOTH]", lstrip=True, rstrip=True), AddedToken("<image>", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    save(tokenizer, OUT / "small_bert")
    return tokenizer


def cased():
    vocabulary = trained(False, 900).get_vocab(with_added_tokens=False)
    folder = OUT / "small_bert_cased"
    folder.mkdir(parents=True, exist_ok=True)
    tokens = sorted(vocabulary, key=vocabulary.get)
    assert [vocabulary[t] for t in tokens] == list(range(len(tokens)))
    (folder / "vocab.txt").write_text("".join(t + "\n" for t in tokens), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": False, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}) + "\n")
    return backend(folder)


def by_blocks(step):
    hashes = []
    for begin in range(0, 0x110000, 4096):
        block = [c for c in range(begin, begin + 4096) if not 0xD800 <= c < 0xE000]
        hashes.append(fnv("".join(step(f"a{chr(c)}b") + "\n" for c in block).encode()))
    return "".join(f"{h:08x}" for h in hashes)


def mixed(normalize):
    """The C++ test has the same generator."""
    state, hashes = 12345, []

    def below(n):
        nonlocal state
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        return (state >> 8) % n

    for _ in range(2000):
        text = ""
        for _ in range(1 + below(8)):
            first, last = MIXED[below(len(MIXED))]
            text += chr(first + below(last - first + 1))
        hashes.append(normalize(text) + "\n")
    return f"{fnv(''.join(hashes).encode()):08x}"


def characters():
    uncased = normalizers.BertNormalizer(lowercase=True).normalize_str
    cased = normalizers.BertNormalizer(lowercase=False).normalize_str
    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return {"uncased": by_blocks(uncased), "cased": by_blocks(cased),
            "words": by_blocks(lambda text: "|".join(piece for piece, _ in cut(text))),
            "ranges": MIXED, "mixed": mixed(uncased)}


def main():
    (OUT / "bert_characters.json").write_text(json.dumps(characters(), separators=(",", ":")) + "\n")
    expect("small_bert", uncased())
    expect("small_bert_cased", cased())


if __name__ == "__main__":
    main()
