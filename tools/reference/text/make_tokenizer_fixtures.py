"""Writes src/text/testdata: the results of Hugging Face tokenizers for the lines of
tokenizer_lines.py.

    python tools/reference/text/make_tokenizer_fixtures.py [--real ../shared/data/tokenizers] [--show NAME LINE]

Needs the packages tokenizers and transformers. Small tokenizers are trained on these lines and
committed, too, so that most tests need nothing else. Results of each tokenizer: the full IDs of
every 40th line, and for every line the last digits of a 32-bit FNV-1a hash of
    ids with special tokens | ids without | decoded with special tokens kept | and skipped
(IDs as little-endian u32, with 0xffffffff between the fields). make_sentencepiece_fixtures.py
writes those of Llama.
"""

import argparse
import json
import pathlib
import random
import shutil
import struct
import tempfile

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)
from transformers import AutoTokenizer

from tokenizer_lines import lines

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUT = ROOT / "src/text/testdata"
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
FULL = 40  # the fixture has the IDs of every 40th line


def fnv(data, value=0x811C9DC5):
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def as_bytes(ids):
    return struct.pack(f"<{len(ids)}I", *ids)


def answer(tokenizer, text):
    special = tokenizer.encode(text, add_special_tokens=True).ids
    plain = tokenizer.encode(text, add_special_tokens=False).ids
    kept = tokenizer.decode(special, skip_special_tokens=False)
    skipped = tokenizer.decode(special, skip_special_tokens=True)
    gap = b"\xff\xff\xff\xff"
    data = gap.join([as_bytes(special), as_bytes(plain), kept.encode(), skipped.encode()])
    return special, fnv(data)


def broken(tokenizer, size, digits):
    """Decodings of random IDs: mostly invalid UTF-8. The C++ test has the same generator."""
    state, hashes = 12345, []
    for _ in range(400):
        ids = []
        for _ in range(12):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            ids.append((state >> 8) % size)
        hashes.append(fnv(tokenizer.decode(ids, skip_special_tokens=False).encode()))
    return "".join(f"{h:08x}"[-digits:] for h in hashes)


def expectation(tokenizer, digits=8):
    texts = [t if isinstance(t, str) else t[0] * t[1] for t in lines()]
    answers = [answer(tokenizer, text) for text in texts]
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    return {
        "size": size,
        "ids": [ids[:400] for ids, _ in answers[::FULL]],
        "hashes": "".join(f"{h:08x}"[-digits:] for _, h in answers),
        "broken": broken(tokenizer, size, digits),
    }


def expect(name, tokenizer, digits=8):
    result = expectation(tokenizer, digits)
    (OUT / f"{name}.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
    print(name, result["size"], len(result["hashes"]) // digits)
    return result


def trained(normalizer, pre_tokenizer, specials, size):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [t for t in lines() if isinstance(t, str)]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return tokenizer


def save(tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(text, ensure_ascii=False, separators=(",", ":")) + "\n",
                                           encoding="utf-8")


def small_gpt2():
    """ByteLevel's own pattern, a prefix space, BOS and EOS, and added tokens with every flag."""
    tokenizer = trained(None, pre_tokenizers.ByteLevel(add_prefix_space=True), ["<s>", "<pad>", "</s>", "<unk>"], 1000)
    tokenizer.add_tokens([AddedToken("[WORD]", single_word=True), AddedToken("[LEFT]", lstrip=True),
                          AddedToken("[RIGHT]", rstrip=True), AddedToken("star", single_word=True),
                          AddedToken("é!", normalized=True)])
    tokenizer.add_special_tokens([AddedToken("[BOTH]", lstrip=True, rstrip=True), AddedToken("<image>", normalized=False)])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="</s> $A <s>", pair="</s> $A $B", special_tokens=[("</s>", 2), ("<s>", 0)])])
    save(tokenizer, OUT / "small_gpt2")
    return tokenizer


def small_qwen2():
    """NFC and Qwen2's pattern, merges as pairs, added tokens that match only normalized text."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated"),
                                     pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer = trained(normalizers.NFC(), split, [], 1000)
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False), AddedToken("<|im_start|>", normalized=False)])
    tokenizer.add_tokens([AddedToken("Ångström", normalized=True), AddedToken("<tool_call>", normalized=False),
                          AddedToken("[BOTH]", lstrip=True, rstrip=True, normalized=True)])
    save(tokenizer, OUT / "small_qwen2")
    return tokenizer


def small_smollm():
    """Like SmolLM2: single digits, then ByteLevel's own pattern."""
    steps = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                     pre_tokenizers.ByteLevel(add_prefix_space=False)])
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = trained(None, steps, specials, 500)
    tokenizer.add_special_tokens([AddedToken("<image>", normalized=False), AddedToken("<end_of_utterance>", normalized=False)])
    save(tokenizer, OUT / "small_smollm")
    return tokenizer


def small_llama3():
    """Like Llama 3: its pattern, pieces that are tokens are not merged, BOS by a template after
    ByteLevel."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                     pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    base = trained(None, split, [], 560)
    model = json.loads(base.to_str())["model"]
    # Tokens that merges cannot produce, as in Llama 3, so that ignore_merges has an effect.
    vocab = {**model["vocab"], "Ġabove": 560, "ĠSnorbo": 561, "çº¢èī²": 562}
    tokenizer = Tokenizer(models.BPE(vocab, [tuple(m) for m in model["merges"]], ignore_merges=True))
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|begin_of_text|>", normalized=False), AddedToken("<|endoftext|>", normalized=False)])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 563)])])
    save(tokenizer, OUT / "small_llama3")
    return tokenizer


def small_opt(base):
    """The same vocabulary as vocab.json and merges.txt, as in the older releases of OPT."""
    folder = OUT / "small_opt"
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(base.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False, separators=(",", ":")) + "\n",
                                       encoding="utf-8")
    merges = ["#version: 0.2"] + [" ".join(m) for m in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    token = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    config = {"add_bos_token": True, "add_prefix_space": False, "tokenizer_class": "GPT2Tokenizer",
              "bos_token": {**token, "content": "</s>"}, "eos_token": {**token, "content": "</s>"},
              "pad_token": {**token, "content": "<pad>"}, "unk_token": {**token, "content": "</s>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(
        {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>",
         "mask_token": {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}},
        indent=1) + "\n")
    (folder / "added_tokens.json").write_text(json.dumps({"<mask>": 1000, "[WORD]": 1001}) + "\n")


def backend(folder):
    return AutoTokenizer.from_pretrained(str(folder)).backend_tokenizer


def without_tokenizer_json(folder):
    copy = pathlib.Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(folder, copy)
    (copy / "tokenizer.json").unlink()
    return copy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--real", default=str(ROOT.parent / "shared/data/tokenizers"))
    parser.add_argument("--show", nargs=2, metavar=("FOLDER", "LINE"), help="print the tokens of one line and exit")
    args = parser.parse_args()
    if args.show:
        line = lines()[int(args.show[1])]
        print(repr(line), backend(args.show[0]).encode(line if isinstance(line, str) else line[0] * line[1]).tokens)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "lines.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for line in lines():
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    gpt2 = small_gpt2()
    expect("small_gpt2", gpt2)
    expect("small_qwen2", small_qwen2())
    expect("small_smollm", small_smollm(), digits=4)
    expect("small_llama3", small_llama3(), digits=4)
    small_opt(gpt2)
    expect("small_opt", backend(OUT / "small_opt"))

    scenes = ROOT / "models/scenes-blip2"
    both = expect("scenes", Tokenizer.from_file(str(scenes / "tokenizer.json")))
    assert both == expectation(backend(without_tokenizer_json(scenes)))

    real = pathlib.Path(args.real)
    expect("gpt2", Tokenizer.from_file(str(real / "gpt2/tokenizer.json")))
    expect("qwen2_5", Tokenizer.from_file(str(real / "qwen2_5/tokenizer.json")))
    expect("opt", backend(real / "opt"))


if __name__ == "__main__":
    random.seed(0)
    main()
