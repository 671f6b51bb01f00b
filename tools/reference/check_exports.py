#!/usr/bin/env python3
"""Compares exported models in transformers and PEFT with emend.

    python check_exports.py --emend build/emend [MODEL ...]

For each model (default: the bundled one, with a picture), `emend edit` makes a patch with ft and
one with lora, and `emend export` writes a Hugging Face folder and a PEFT adapter. transformers
answers with the folder, and PEFT with the adapter on the base model; both must give the answer of
`emend ask --patch`, and their logits must agree with each other. Exits with 1 if they differ.
"""

import argparse
import pathlib
import sys
import tempfile

import torch
from peft import PeftModel

from hugging_face import HuggingFace, ask, emend

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "How many shapes are there?"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, nargs="*", default=[ROOT / "models/scenes-blip2"])
    parser.add_argument("--emend", type=pathlib.Path, default=ROOT / "build/emend")
    args = parser.parse_args()
    failed = 0
    for model in args.models:
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            emend(args.emend, "scenes", "export", "-o", place / "scenes", "--count", 1, "--seed", 1)
            picture = next((place / "scenes/images").glob("*.png"))
            for editor in ("lora", "ft"):
                patch = place / f"{editor}.patch"
                emend(args.emend, "edit", "-m", model, "--editor", editor, "--image", picture, "-p", PROMPT,
                      "--target", "7", "-o", patch)
                asked = ask(args.emend, model, PROMPT, picture, [patch])
                prompt, ours = asked["prompt"], asked["answer"]
                emend(args.emend, "export", "-m", model, "--patch", patch, "--to", "hf", "-o", place / f"{editor}-hf")
                rank = ("--rank", 4) if editor == "ft" else ()
                emend(args.emend, "export", "-m", model, "--patch", patch, "--to", "peft", *rank, "-o",
                      place / f"{editor}-peft")
                merged = HuggingFace(place / f"{editor}-hf")
                adapted = HuggingFace(model)
                adapted.model = PeftModel.from_pretrained(adapted.model, place / f"{editor}-peft")
                answers = [reference.answer(prompt, picture) for reference in (merged, adapted)]
                with torch.no_grad():
                    logits = [reference.model(**reference.inputs(prompt, picture)).logits
                              for reference in (merged, adapted)]
                error = ((logits[0] - logits[1]).abs().max() / logits[0].abs().max()).item()
                exact = editor == "lora"
                good = answers[0] == ours and (answers[1] == ours and error < 1e-4 if exact else True)
                failed += not good
                print(f"{model.name} {editor}: emend '{ours}', folder '{answers[0]}', adapter '{answers[1]}', "
                      f"relative difference of the logits {error:.1e}: {'agree' if good else 'DIFFER'}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
