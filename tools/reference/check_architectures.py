#!/usr/bin/env python3
"""Compares every architecture with the installed transformers on random shapes.

    pip install --upgrade transformers torch pillow safetensors
    python check_architectures.py --emend build/emend --force build/emend-force-texts [--seed N]

For each architecture, `--count` folders are written (random_folders.py), with shapes that no test
of the project has. With pictures of several sizes, without a picture, and with two pictures in one
prompt where the model reads several, the token ids of prompt and answer, the logits at every position (float32), and greedy answers of 20 tokens are compared. A
failure prints the seed and keeps the folder. Exits with 1 if anything differs.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import transformers
from hugging_face import emend
from PIL import Image
from random_folders import ARCHITECTURES, SIZES, write
from safetensors.torch import load_file

BOUND = 1e-4  # of the largest logit
GENERATED = 20
PROMPTS = [("What is on the table?", " a thin hat"), ("two words", "then"), ("Where is the other one", " in there")]


def rows(folder, rng, scratch):
    """[(prompt, answer, [picture file])]"""
    found = [(prompt, answer, []) for prompt, answer in PROMPTS]
    if folder.processor is None:
        return found
    for i, (width, height) in enumerate(SIZES):
        file = scratch / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file)
        prompt, answer = PROMPTS[i % len(PROMPTS)]
        found.append((folder.placeholder + prompt, answer, [file]))
    if folder.several:
        found.append((f"One {folder.placeholder}and{folder.placeholder} other?", " a hat",
                      [scratch / "0.png", scratch / f"{len(SIZES) - 1}.png"]))
    return found


def inputs(folder, prompt, files):
    if folder.processor is None or not files:
        return dict(folder.tokenizer(prompt, return_tensors="pt"))
    pictures = [Image.open(file).convert("RGB") for file in files]
    return dict(folder.processor(images=pictures, text=prompt, return_tensors="pt"))


def with_answer(folder, made, answer):
    ids = torch.tensor([folder.tokenizer(answer, add_special_tokens=False)["input_ids"]])
    longer = dict(made, input_ids=torch.cat([made["input_ids"], ids], 1))
    for name in ("attention_mask", "token_type_ids", "mm_token_type_ids"):
        if name in longer:
            fill = torch.ones_like(ids) if name == "attention_mask" else torch.zeros_like(ids)
            longer[name] = torch.cat([longer[name], fill], 1)
    longer.pop("token_type_ids", None)
    return longer


def check(args, folder, asked, scratch):
    """[text of a difference]"""
    path, wrong = scratch / "model", []
    lines = [dict(prompt=p, answer=a, images=[str(file) for file in f]) for p, a, f in asked]
    (scratch / "texts.json").write_text(json.dumps(lines))
    made = subprocess.run([args.force, path, scratch / "texts.json", scratch / "out"], capture_output=True, text=True)
    if made.returncode != 0:
        return [made.stderr.strip()]
    forced = load_file(scratch / "out")
    image_token = folder.tokenizer.convert_tokens_to_ids(folder.image_token)
    for i, (prompt, answer, files) in enumerate(asked):
        name = f"row {i} ({', '.join(file.name for file in files) or 'no picture'})"
        made = inputs(folder, prompt, files)
        longer = with_answer(folder, made, answer)
        ids = [x for x in longer["input_ids"][0].tolist() if x != image_token]
        if forced[f"{i}.tokens"].tolist() != ids:
            wrong.append(f"{name}: tokens {forced[f'{i}.tokens'].tolist()}, transformers {ids}")
            continue
        model = folder.model if files or not hasattr(folder.model, "qformer") else folder.model.language_model
        logits, ours = model(**longer, use_cache=False).logits[0], forced[f"{i}.logits"]
        if logits.shape != ours.shape:
            wrong.append(f"{name}: logits {tuple(ours.shape)}, transformers {tuple(logits.shape)}")
            continue
        error = ((logits - ours).abs().max() / logits.abs().max()).item()
        args.largest = max(args.largest, error)
        if not error <= BOUND:
            wrong.append(f"{name}: largest difference of a logit {error:.1e} of the largest logit")
        new = model.generate(**{k: v for k, v in made.items() if k != "token_type_ids"},
                                    max_new_tokens=GENERATED, do_sample=False)[0, made["input_ids"].shape[1]:]
        theirs = folder.tokenizer.decode(new, skip_special_tokens=True).strip()
        answered = emend(args.emend, "ask", "-m", path, "-p", prompt, "--template", "{}", "--no-chat-template",
                         "--max-new-tokens", GENERATED, *(x for file in files for x in ("--image", file)))["answer"].strip()
        if answered != theirs:
            wrong.append(f"{name}: answer {answered!r}, transformers {theirs!r}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", type=pathlib.Path, default=pathlib.Path("build/emend"))
    parser.add_argument("--force", type=pathlib.Path, default=pathlib.Path("build/emend-force-texts"))
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES), help="a list with commas")
    parser.add_argument("--count", type=int, default=3, help="random folders of each architecture")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, seed {args.seed}")
    failed = 0
    for name in args.architectures.split(","):
        args.largest = 0.0
        for number in range(args.count):
            rng = np.random.default_rng([args.seed, number, *name.encode()])
            scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"emend-{name}-"))
            folder = write(name, rng, scratch / "model")
            wrong = check(args, folder, rows(folder, rng, scratch), scratch)
            if wrong:
                failed += 1
                print(f"{name} {number}: differs; folder {scratch}\n  " + "\n  ".join(wrong))
            else:
                shutil.rmtree(scratch)
        print(f"{name}: {args.count} folders, largest difference of a logit {args.largest:.1e} of the largest", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
