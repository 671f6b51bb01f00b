#!/usr/bin/env python3
"""Writes the results of Blip2Processor for texts, with and without a picture, and the stop token.

    python make_prompts.py TOKENIZER OUT          # current transformers
    python make_prompts.py TOKENIZER OUT --older  # transformers 4.36: adds its differences

TOKENIZER is a folder with OPT's vocab.json and merges.txt, OUT is src/models/testdata/prompts.json.
Run the current release first.
"""

import argparse
import json
import pathlib
import shutil
import tempfile

import transformers
from PIL import Image
from transformers import AutoTokenizer, Blip2ForConditionalGeneration, Blip2Processor

QUERIES = 4
PROMPTS = ["Question: how many cats are there? Answer:", "a photo of", " a leading space",
           "two  spaces\nand a line", "Ünïcödé 猫 🙂"]


def processor(tokenizer_folder):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    if hasattr(transformers, "BlipImageProcessorPil"):
        images = transformers.BlipImageProcessorPil()
        return Blip2Processor(images, tokenizer, num_query_tokens=QUERIES)
    return Blip2Processor(transformers.BlipImageProcessor(), tokenizer)


def flat(ids):
    return ids[0] if isinstance(ids[0], list) else ids


def prompts(process):
    picture = Image.new("RGB", (30, 20), (10, 200, 30))
    return [{"text": text, "with_picture": flat(process(images=picture, text=text)["input_ids"]),
             "alone": flat(process(text=text)["input_ids"])} for text in PROMPTS]


def which_stops(folder):
    """Generation ends at text_config's eos_token_id; generation_config.json is ignored."""
    from safetensors.torch import load_file

    want = load_file(folder / "expected.safetensors")
    ids = want["image_left/generated"][0].tolist()
    first, second = ids[4], next(i for i in ids[5:] if i not in ids[:5])
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        for name, where, eos in (("config.json", "text_config", second),
                                 ("generation_config.json", None, first)):
            path = pathlib.Path(copy) / name
            settings = json.loads(path.read_text())
            (settings[where] if where else settings)["eos_token_id"] = eos
            path.write_text(json.dumps(settings))
        model = Blip2ForConditionalGeneration.from_pretrained(copy).eval()
    start = want["image_left/input_ids"].shape[1]
    made = model.generate(pixel_values=want["image_right/pixel_values"][:1],
                          input_ids=want["image_left/input_ids"][:1],
                          attention_mask=want["image_left/attention_mask"][:1],
                          max_new_tokens=20, do_sample=False)[0, start:].tolist()
    assert made[-1] == second and made == ids[:len(made)], (made, ids)
    return {"text_config": second, "generation_config": first, "generated": made}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--older", action="store_true")
    args = parser.parse_args()
    process = processor(args.tokenizer)
    if args.older:
        result = json.loads(args.out.read_text())
        # The older model adds the queries before the IDs itself; the text is the same in both.
        older = prompts(process)
        for now, then in zip(result["prompts"], older):
            assert then["with_picture"] == then["alone"] == now["alone"]
            assert now["with_picture"] == [result["image_token"]] * QUERIES + then["with_picture"]
        result["agrees_with"] = transformers.__version__
    else:
        tokenizer = process.tokenizer
        result = {"transformers": transformers.__version__, "queries": QUERIES,
                  "image_token": tokenizer.convert_tokens_to_ids("<image>"),
                  "bos": tokenizer.bos_token_id, "pad": tokenizer.pad_token_id,
                  "prompts": prompts(process), "stop": which_stops(args.out.parent / "blip2/plain")}
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
