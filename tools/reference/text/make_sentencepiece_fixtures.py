"""Writes the Llama part of src/text/testdata: a SentencePiece model that is trained on the lines of
tokenizer_lines.py, and the results of the Python LlamaTokenizer of transformers 4, which
transformers 5 no longer has. The format of the results is that of make_tokenizer_fixtures.py, with
16 bits of the hashes.

    python -m venv older && older/bin/pip install 'transformers==4.57.*' sentencepiece protobuf
    older/bin/python tools/reference/text/make_sentencepiece_fixtures.py [--real ../shared/data/tokenizers]

    small_llama            tokenizer.model, as LlamaTokenizer(legacy=True) reads it; added tokens listed
    small_llama_new        the same model, legacy=False; added tokens in the files of older releases
    small_llama_fast       the tokenizer.json that transformers makes of the first: normalizer
    small_metaspace        and of the second: Metaspace
    llama2, llama2_legacy, llama2_new   the released Llama 2: tokenizer.json, tokenizer.model in both modes
"""

import argparse
import json
import pathlib
import random
import shutil
import tempfile
from types import SimpleNamespace

import sentencepiece
from tokenizers import Tokenizer
from transformers import LlamaTokenizer, LlamaTokenizerFast

from make_tokenizer_fixtures import OUT, ROOT, expect, save
from tokenizer_lines import WORDS, lines

CONFIG = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False,
          "clean_up_tokenization_spaces": False, "sp_model_kwargs": {}}


class Slow:
    """The Python tokenizer with the interface of the Rust ones."""

    def __init__(self, folder, **options):
        self.tokenizer = LlamaTokenizer.from_pretrained(str(folder), **options)

    def encode(self, text, add_special_tokens=True):
        return SimpleNamespace(ids=self.tokenizer.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, ids, skip_special_tokens=True):
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def get_vocab_size(self, with_added_tokens=True):
        return len(self.tokenizer)


def write(folder, name, value):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def train(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        corpus = pathlib.Path(scratch) / "corpus.txt"
        # Only a few scripts; other characters must fall back to bytes.
        known = set("".join(chr(c) for c in range(0x20, 0x7F)) + "".join(WORDS["latin"] + WORDS["chinese"]))
        texts = [t for t in lines() if isinstance(t, str) and t and set(t) <= known]
        corpus.write_text("\n".join(texts) + "\n", encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=str(pathlib.Path(scratch) / "m"), model_type="bpe", vocab_size=900,
            byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
            character_coverage=1.0, split_digits=True, allow_whitespace_only_pieces=True, num_threads=1,
            user_defined_symbols=["<tool_call>", "[LEFT]"], minloglevel=2)
        shutil.copy(pathlib.Path(scratch) / "m.model", folder / "tokenizer.model")


def added(content, special=False, **flags):
    return {"content": content, "lstrip": False, "normalized": not special, "rstrip": False,
            "single_word": False, "special": special, **flags}


def small_llama():
    folder = OUT / "small_llama"
    train(folder)
    tokens = [added("<pad>", True), added("<image>", True), added("[BOTH]", lstrip=True, rstrip=True),
              added("[WORD]", single_word=True), added("[RIGHT]", rstrip=True), added("é!", lstrip=True),
              added("star", single_word=True), added("<mask>", True, lstrip=True)]
    listed = {str(i): added(t, True) for i, t in enumerate(["<unk>", "<s>", "</s>"])}
    listed.update({str(900 + i): t for i, t in enumerate(tokens)})
    write(folder, "tokenizer_config.json", {
        **CONFIG, "legacy": True, "added_tokens_decoder": listed, "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "pad_token": "<pad>", "additional_special_tokens": ["<image>"]})
    return folder


def small_llama_new(model):
    folder = OUT / "small_llama_new"
    write(folder, "tokenizer_config.json", {**CONFIG, "legacy": False, "add_eos_token": True})
    write(folder, "added_tokens.json", {"<image>": 900, "[BOTH]": 901, "[WORD]": 902})
    write(folder, "special_tokens_map.json", {
        "bos_token": "<s>", "eos_token": {k: v for k, v in added("</s>").items() if k != "special"},
        "unk_token": "<unk>", "pad_token": "<unk>", "additional_special_tokens": ["<image>", "<mask>"]})
    copy = pathlib.Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(folder, copy)
    shutil.copy(model / "tokenizer.model", copy)
    return copy


def fast(folder, name, legacy):
    tokenizer = LlamaTokenizerFast.from_pretrained(str(folder), legacy=legacy, from_slow=True).backend_tokenizer
    save(tokenizer, OUT / name)
    return tokenizer


def differing(one, other):
    """The lines whose IDs differ between two tokenizers."""
    texts = [t if isinstance(t, str) else t[0] * t[1] for t in lines()]
    return [i for i, text in enumerate(texts) if one.encode(text).ids != other.encode(text).ids]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--real", default=str(ROOT.parent / "shared/data/tokenizers"))
    args = parser.parse_args()

    folder = small_llama()
    legacy = Slow(folder)
    expect("small_llama", legacy, digits=4)
    new = small_llama_new(folder)
    expect("small_llama_new", Slow(new), digits=4)
    tokenizer = fast(folder, "small_llama_fast", True)
    result = expect("small_llama_fast", tokenizer, digits=4)
    result["unlike_model"] = differing(tokenizer, legacy)
    print(len(result["unlike_model"]), "lines differ from small_llama")
    (OUT / "small_llama_fast.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
    expect("small_metaspace", fast(new, "small_metaspace", False), digits=4)

    real = pathlib.Path(args.real) / "llama2"
    expect("llama2", Tokenizer.from_file(str(real / "tokenizer.json")), digits=4)
    expect("llama2_legacy", Slow(real, legacy=True), digits=4)
    expect("llama2_new", Slow(real, legacy=False), digits=4)


if __name__ == "__main__":
    random.seed(0)
    main()
