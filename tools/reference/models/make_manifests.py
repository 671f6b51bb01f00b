#!/usr/bin/env python3
"""Writes manifests of the folders of BLIP-2 OPT-2.7b and 6.7b: config.json, and the name, shape and
dtype of every tensor. They are created on the meta device, so no weights are needed.

    python make_manifests.py OUT           # current transformers
    python make_manifests.py OUT --older   # transformers 4.28, which the first release was made with

OUT is src/models/testdata/manifests. A manifest is one JSON object:
    {"transformers": ..., "parameters": COUNT, "config": {config.json},
     "tensors": [["NAME", [SHAPE], "F32"], ...]}
where `{0..31}` in NAME stands for one tensor per number ({0..10..2}: every second number).

Names are those that the installed release writes. The configs are those of the released folders
(the later one omits default values); dtypes vary so that each kind occurs once.
"""

import argparse
import json
import pathlib
import re

import torch
import transformers
from transformers import Blip2Config, Blip2ForConditionalGeneration

VISION = dict(hidden_size=1408, intermediate_size=6144, num_hidden_layers=39,
              num_attention_heads=16, image_size=224, patch_size=14, layer_norm_eps=1e-6,
              qkv_bias=True, hidden_act="gelu")
SIZES = {
    "2.7b": dict(hidden_size=2560, word_embed_proj_dim=2560, ffn_dim=10240, num_hidden_layers=32,
                 num_attention_heads=32),
    "6.7b": dict(hidden_size=4096, word_embed_proj_dim=4096, ffn_dim=16384, num_hidden_layers=32,
                 num_attention_heads=32),
}


def released_config(size):
    """config.json as later releases wrote it: values that equal the default are omitted."""
    return {
        "architectures": ["Blip2ForConditionalGeneration"],
        "image_text_hidden_size": 256,
        "image_token_index": 50265,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "model_type": "blip-2",
        "num_query_tokens": 32,
        "qformer_config": {"classifier_dropout": None, "model_type": "blip_2_qformer"},
        "text_config": {
            "_name_or_path": f"facebook/opt-{size}",
            "activation_dropout": 0.0,
            "architectures": ["OPTForCausalLM"],
            "eos_token_id": 50118,
            "model_type": "opt",
            "prefix": "</s>",
            "torch_dtype": "float16",
            "vocab_size": 50304,
            **SIZES[size],
        },
        "torch_dtype": "float32",
        "transformers_version": "4.47.0.dev0",
        "use_decoder_only_language_model": True,
        "vision_config": {
            "dropout": 0.0,
            "initializer_factor": 1.0,
            "model_type": "blip_2_vision_model",
            "num_channels": 3,
            "projection_dim": 512,
        },
    }


def first_config(size):
    """config.json of the first release: every field of every part, no placeholder token."""
    text = dict(model_type="opt", vocab_size=50272, eos_token_id=50118, prefix="</s>",
                torch_dtype="float16", activation_dropout=0.0, _name_or_path=f"facebook/opt-{size}",
                **SIZES[size])
    config = Blip2Config(vision_config=VISION, qformer_config={}, text_config=text)
    config.architectures = ["Blip2ForConditionalGeneration"]
    config.torch_dtype = "float32"
    return json.loads(config.to_json_string(use_diff=False))


def build(config):
    parsed = Blip2Config.from_dict(config)
    with torch.device("meta"):
        return Blip2ForConditionalGeneration(parsed)


def stored_tensors(model, whole):
    """Names and shapes that save_pretrained writes. Releases that wrote `whole` state dicts (to
    pytorch_model.bin) wrote the tied head again."""
    assert model.config.text_config.tie_word_embeddings
    state = model.state_dict()
    if not whole:
        del state["language_model.lm_head.weight"]
    return {name: list(tensor.shape) for name, tensor in state.items()}


def grouped(tensors, dtype):
    """Returns one line for each run of layers whose names differ only in their number."""
    groups = {}
    for name, shape in tensors.items():
        number = re.search(r"\.(\d+)\.", name)
        key = name if number is None else name[:number.start()] + ".{}." + name[number.end():]
        groups.setdefault((key, tuple(shape)), []).append(number and int(number.group(1)))
    lines = []
    for (key, shape), numbers in groups.items():
        if numbers == [None]:
            lines.append([key, list(shape), dtype])
            continue
        step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
        assert numbers == list(range(numbers[0], numbers[-1] + 1, step)), (key, numbers)
        span = f"{{{numbers[0]}..{numbers[-1]}" + (f"..{step}" if step != 1 else "") + "}"
        lines.append([key.replace("{}", span), list(shape), dtype])
    return lines


def write_manifest(path, config, tensors, dtype, count):
    """count: the number of parameters."""
    lines = ",\n".join("  " + json.dumps(line) for line in grouped(tensors, dtype))
    text = (f'{{\n "transformers": "{transformers.__version__}",\n "parameters": {count},\n '
            f'"config": {json.dumps(config, sort_keys=True)},\n "tensors": [\n{lines}\n ]\n}}\n')
    assert json.loads(text)["config"] == config
    path.write_text(text)
    print(f"{path.name}: {len(tensors)} tensors, {count} parameters, {len(text) / 1024:.0f} KB")


def write(path, config, dtype, whole=False):
    model = build(config)
    tensors = stored_tensors(model, whole)
    head = tensors.get("language_model.lm_head.weight", [0])  # tied: not a separate parameter
    count = sum(torch.Size(shape).numel() for shape in tensors.values()) - torch.Size(head).numel()
    write_manifest(path, config, tensors, dtype, count)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--older", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        if args.older:
            write(args.out / f"blip2-opt-{size}-older.json", first_config(size), "F32",
                  whole=True)
        else:
            config = released_config(size)
            write(args.out / f"blip2-opt-{size}.json", config, "F16" if size == "6.7b" else "F32")
            # The same folder loaded and saved by the current release: every field is written.
            saved = json.loads(Blip2Config.from_dict(config).to_json_string(use_diff=True))
            saved["dtype"] = "bfloat16"
            write(args.out / f"blip2-opt-{size}-saved-again.json", saved, "BF16")


if __name__ == "__main__":
    main()
