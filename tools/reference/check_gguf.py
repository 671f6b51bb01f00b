#!/usr/bin/env python3
"""Compares GGUF files of emend with the weights and the tokenizer of the model's folder.

    python check_gguf.py --emend build/emend [FOLDER ...]

For each folder (default: tiny decoders of the tests, for which tokenizers are made), `emend edit`
makes a patch with lora, and `emend export` writes the folder `hf` and the GGUF files of every type
and as an adapter. The package `gguf` reads the files. Every tensor must be that of the folder, in
the type's rounding and with the rows of queries and keys in llama.cpp's order; the metadata must be
those of config.json and of transformers' tokenizer. Exits with 1 if anything differs.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile

import gguf
import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, PreTrainedTokenizerFast

from hugging_face import emend

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT, TARGET = "The mother tongue of Danielle Darrieux is", " English"
TYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}


def tiny_folder(folder, name):
    """A tiny decoder of the tests with a byte-level tokenizer of 43 tokens, which has the letters of
    the prompt."""
    shutil.copytree(ROOT / "src/models/testdata/llama" / name, folder)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = 512  # each letter is a position
    if "sliding_window" in config:
        config["sliding_window"] = 512 if name == "mistral" else config["sliding_window"]
    (folder / "config.json").write_text(json.dumps(config))
    letters = sorted(set((PROMPT + TARGET).replace(" ", "\u0120")))
    vocabulary = {token: i for i, token in enumerate(["<unk>", "<s>", "</s>", *letters, "th", "\u0120th"])}
    added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, token in enumerate(["<unk>", "<s>", "</s>"])]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
                 "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                           "vocab": vocabulary, "merges": ["t h", "\u0120 th"]}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
         "unk_token": "<unk>", "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"}))
    return folder


class Checks:
    def __init__(self, name):
        self.name, self.count, self.failed = name, 0, 0

    def __call__(self, what, equal):
        self.count += 1
        if not equal:
            self.failed += 1
            print(f"{self.name}: {what} differs")


def metadata(reader):
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def architecture(config):
    """llama.cpp's name of the decoder."""
    return config.model_type if config.model_type.startswith("qwen") else "llama"


def head_width(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def pairs_of_rows(weight, heads):
    """Halves of heads become neighboring rows: the order of Meta's checkpoints."""
    order = torch.arange(weight.shape[0]).reshape(heads, 2, -1).transpose(1, 2).flatten()
    return weight[order]


def expected_tensors(folder, config):
    """The tensors by the names of the package `gguf`."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture(config).upper()], config.num_hidden_layers)
    tensors = {}
    for file in folder.glob("*.safetensors"):
        for name, tensor in load_file(file).items():
            tensor = tensor.float()
            if architecture(config) != "llama":
                pass
            elif ".q_proj." in name:
                tensor = pairs_of_rows(tensor, config.num_attention_heads)
            elif ".k_proj." in name:
                tensor = pairs_of_rows(tensor, config.num_key_value_heads)
            tensors[names.get_name(name, try_suffixes=(".weight", ".bias"))] = tensor.numpy()
    return tensors


def check_tensors(check, reader, expected, kind):
    found = {tensor.name: tensor for tensor in reader.tensors}
    frequencies = found.pop("rope_freqs.weight", None)
    check("the list of tensors", set(found) == set(expected))
    for name, tensor in found.items():
        want = expected[name]
        own = gguf.GGMLQuantizationType.F32 if want.ndim == 1 else gguf.GGMLQuantizationType[kind]
        if kind == "Q8_0" and want.ndim > 1 and want.shape[-1] % 32:
            own = gguf.GGMLQuantizationType.F16
        check(f"the type of {name}", tensor.tensor_type == own)
        data = gguf.quants.quantize(want, own)
        check(name, np.array_equal(np.asarray(tensor.data).view(np.uint8).ravel(), data.view(np.uint8).ravel()))
    return frequencies


def check_metadata(check, values, folder, config, kind):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    kind_of = architecture(config)
    wanted = {
        "general.architecture": kind_of, "general.type": "model",
        "general.file_type": {"F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7}[kind],
        f"{kind_of}.vocab_size": config.vocab_size, f"{kind_of}.context_length": config.max_position_embeddings,
        f"{kind_of}.embedding_length": config.hidden_size, f"{kind_of}.block_count": config.num_hidden_layers,
        f"{kind_of}.feed_forward_length": config.intermediate_size,
        f"{kind_of}.attention.head_count": config.num_attention_heads,
        f"{kind_of}.attention.head_count_kv": config.num_key_value_heads,
        f"{kind_of}.attention.key_length": head_width(config), f"{kind_of}.attention.value_length": head_width(config),
        f"{kind_of}.attention.layer_norm_rms_epsilon": np.float32(config.rms_norm_eps),
        f"{kind_of}.rope.dimension_count": head_width(config),
        f"{kind_of}.rope.freq_base": np.float32(config.rope_parameters["rope_theta"]),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.bos_token_id": tokenizer.bos_token_id,
        "tokenizer.ggml.eos_token_id": tokenizer.eos_token_id,
        "tokenizer.ggml.unknown_token_id": tokenizer.unk_token_id,
        "tokenizer.ggml.add_bos_token": tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id],
        "tokenizer.chat_template": tokenizer.chat_template,
    }
    for key, value in wanted.items():
        check(key, values.get(key) == value)
    by_id = {i: token for token, i in tokenizer.get_vocab().items()}
    check("tokens", values["tokenizer.ggml.tokens"] ==
          [by_id.get(i, f"[PAD{i}]") for i in range(config.vocab_size)])
    added = tokenizer.added_tokens_decoder
    check("token types", values["tokenizer.ggml.token_type"] ==
          [5 if i not in by_id else 1 if i not in added else 3 if added[i].special else 4
           for i in range(config.vocab_size)])
    merges = json.loads((folder / "tokenizer.json").read_text())["model"]["merges"]
    check("merges", values["tokenizer.ggml.merges"] ==
          [merge if isinstance(merge, str) else " ".join(merge) for merge in merges])


def check_frequencies(check, tensor, config):
    """llama.cpp divides the usual frequencies by this tensor."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    kind = config.rope_parameters.get("rope_type", "default")
    check("rope_freqs.weight", (tensor is not None) == (kind == "llama3"))
    if tensor is None:
        return
    scaled, _ = ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    exponents = torch.arange(0, head_width(config), 2).float() / head_width(config)
    usual = 1 / config.rope_parameters["rope_theta"] ** exponents
    check("rope_freqs.weight", np.allclose(usual.numpy() / tensor.data, scaled.numpy(), rtol=1e-6))


def check_adapter(check, reader, base, merged):
    """Each pair of factors must be the difference of the weights."""
    values = metadata(reader)
    check("the type of the adapter", values["general.type"] == "adapter" and values["adapter.type"] == "lora")
    found = {tensor.name: np.asarray(tensor.data) for tensor in reader.tensors}
    changed = {name for name in merged if not np.array_equal(merged[name], base[name])}
    check("the adapted layers", {name.rsplit(".", 1)[0] for name in found} == changed)
    for name in changed:
        down, up = found[name + ".lora_a"], found[name + ".lora_b"]
        check(f"{name}: alpha", values["adapter.lora.alpha"] == down.shape[0])
        delta = merged[name] - base[name]
        check(f"{name}: factors", np.linalg.norm(up @ down - delta) < 1e-4 * np.linalg.norm(delta))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="*")
    parser.add_argument("--emend", type=pathlib.Path, default=ROOT / "build/emend")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        for number, folder in enumerate(args.folders or [
                tiny_folder(place / name, name) for name in ("gqa", "mistral", "qwen2", "qwen3")]):
            patch, merged = place / f"{number}.patch", place / f"{number}-hf"
            emend(args.emend, "edit", "-m", folder, "--editor", "lora", "-p", PROMPT, "--target", TARGET, "-o", patch,
                  "--no-chat-template")
            export = ("export", "-m", folder, "--patch", patch)
            emend(args.emend, *export, "--to", "hf", "--weights-dtype", "fp32", "--no-check", "-o", merged)
            config = AutoConfig.from_pretrained(folder)
            expected = expected_tensors(merged, config)
            for dtype, kind in TYPES.items():
                check = Checks(f"{folder.name} {dtype}")
                file = place / f"{number}.gguf"
                result = emend(args.emend, *export, "--to", "gguf", "--weights-dtype", dtype, "-o", file)
                reader = gguf.GGUFReader(file)
                check("the version", reader.fields["GGUF.version"].contents() == 3 and reader.alignment == 32)
                frequencies = check_tensors(check, reader, expected, kind)
                check_frequencies(check, frequencies, config)
                check_metadata(check, metadata(reader), folder, config, kind)
                print(f"{check.name}: {check.count - check.failed} of {check.count} agree, rounding "
                      f"{result['rounding']:.2g} of the change, {file.stat().st_size / 1e6:.1f} MB")
                failed += check.failed
            check = Checks(f"{folder.name} adapter")
            emend(args.emend, *export, "--to", "gguf-lora", "-o", place / "lora.gguf")
            check_adapter(check, gguf.GGUFReader(place / "lora.gguf"), expected_tensors(folder, config), expected)
            print(f"{check.name}: {check.count - check.failed} of {check.count} agree")
            failed += check.failed
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
