#!/usr/bin/env python3
"""Writes src/models/testdata/generation.json: the results of transformers' generate for settings of
a generation_config.json.

    python make_generation_fixture.py            # transformers 5.23 or newer

The models are those of src/models/testdata/llama and llava, which make_llama_fixtures.py writes.
Each row of their cases is continued separately, greedily.
"""

import json
import pathlib

import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration

DATA = pathlib.Path(__file__).resolve().parents[3] / "src/models/testdata"
TOKENS = 14

SETTINGS = [
    {},
    {"repetition_penalty": 1.5},
    {"repetition_penalty": 0.7},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"bad_words_ids": "first"},
    {"bad_words_ids": "pairs"},
    {"suppress_tokens": "first"},
    {"begin_suppress_tokens": "first"},
    {"min_new_tokens": 9, "eos_token_id": "third"},
    {"min_length": 16, "eos_token_id": "third"},
    {"eos_token_id": "third"},
    {"max_length": 12},
    {"bad_words_ids": "stop", "eos_token_id": "third"},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "bad_words_ids": "pairs", "suppress_tokens": "first",
     "min_new_tokens": 5, "eos_token_id": "third"},
]


def filled(settings, plain):
    """Settings about the tokens that this row generates without any settings."""
    values = {"first": sorted(set(plain[:2])), "pairs": [plain[0:2], plain[2:5]], "third": plain[2],
              "stop": [[plain[2]], [plain[1], plain[2]]]}
    out = {}
    for name, value in settings.items():
        value = values.get(value, value) if isinstance(value, str) else value
        if name == "bad_words_ids" and settings[name] == "first":
            value = [[token] for token in value]
        out[name] = value
    return out


@torch.no_grad()
def generated(model, row, settings):
    # min_new_tokens of 0 and no end token: as many tokens as fit.
    options = {"max_new_tokens": TOKENS, "eos_token_id": None, "pad_token_id": 0, **settings}
    if "max_length" in options:
        del options["max_new_tokens"]
    ids = model.generate(**row, do_sample=False, **options)
    return ids[0, row["input_ids"].shape[1]:].tolist()


def main():
    result = []
    for folder, kind, case in (("llama/gqa", LlamaForCausalLM, "text_left"),
                               ("llava/plain", LlavaForConditionalGeneration, "image_left")):
        model = kind.from_pretrained(DATA / folder)
        model.eval()
        stored = load_file(DATA / folder / "expected.safetensors")
        for i, (ids, mask) in enumerate(zip(stored[f"{case}/input_ids"], stored[f"{case}/attention_mask"])):
            ids = ids[mask.bool()].unsqueeze(0)
            row = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            if kind is LlavaForConditionalGeneration:  # image_left has the pictures of image_right
                row["pixel_values"] = stored["image_right/pixel_values"][i:i + 1]
            plain = generated(model, row, {})
            for settings in SETTINGS:
                if "max_length" in settings and ids.shape[1] >= settings["max_length"]:
                    settings = {"max_length": ids.shape[1] + 2}
                settings = filled(settings, plain)
                result.append({"model": folder, "case": case, "row": i, "config": settings,
                               "tokens": generated(model, row, settings)})
    text = json.dumps(result, separators=(",", ":")).replace('},{"model"', '},\n{"model"')
    (DATA / "generation.json").write_text(text + "\n")
    different = sum(one["tokens"] != result[i // len(SETTINGS) * len(SETTINGS)]["tokens"]
                    for i, one in enumerate(result))
    print(len(result), "cases,", different, "different from the plain one")


if __name__ == "__main__":
    main()
