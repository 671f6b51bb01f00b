#!/usr/bin/env python3
"""Writes small random folders with a prompt that has two pictures, and the results of transformers.

    python make_several_pictures_fixtures.py OUT    # transformers 5.24

OUT is src/models/testdata/several_pictures. Each folder is complete, with a processor and a
tokenizer (random_folders.py). prompt.json has the prompt and an answer; expected.safetensors has
the pictures (height, width, 3), the token ids of prompt and answer with all image tokens (T), and
the logits (T, V).
"""

import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import random_folders  # noqa: E402
from check_architectures import with_answer  # noqa: E402
from make_image_fixtures import scene  # noqa: E402

# The seeds give small folders.
SEEDS = {"llava-clip": 3, "llava-onevision": 1, "qwen2.5-vl": 2}
SIZES = [(26, 15), (11, 22)]
ANSWER = " a thin hat"


def make(name, seed, path):
    shutil.rmtree(path, ignore_errors=True)
    folder = random_folders.write(name, np.random.default_rng(seed), path)
    prompt = f"One {folder.placeholder}and{folder.placeholder} other?"
    pictures = [scene(width, height, 70 + i) for i, (width, height) in enumerate(SIZES)]

    def run(shown):
        made = folder.processor(images=[Image.fromarray(p) for p in shown], text=prompt, return_tensors="pt")
        longer = with_answer(folder, dict(made), ANSWER)
        return longer["input_ids"][0], folder.model(**longer, use_cache=False).logits[0]

    ids, logits = run(pictures)
    # The last positions must show an error in any picture.
    for other in ([pictures[0]] * 2, [pictures[1]] * 2):
        difference = (run(other)[1][-4:] - logits[-4:]).abs().max() / logits.abs().max()
        assert difference > 1e-2, difference
    (path / "prompt.json").write_text(json.dumps({"prompt": prompt, "answer": ANSWER}, indent=1) + "\n")
    tensors = {f"picture.{i}": torch.from_numpy(picture) for i, picture in enumerate(pictures)}
    save_file(dict(tensors, ids=ids, logits=logits), path / "expected.safetensors",
              {"transformers": transformers.__version__})
    size = sum(f.stat().st_size for f in path.iterdir())
    print(f"{name}: {len(logits)} positions, logits of {logits.std():.2f}, {size / 1024:.0f} KB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for name, seed in SEEDS.items():
        make(name, seed, args.out / name)


if __name__ == "__main__":
    main()
