#!/usr/bin/env python3
"""Compares BLEU-4 and CIDEr-D of `emend-photo-model evaluate` with the coco-caption code.

    pip install pycocoevalcap
    python check_caption_scores.py RESULTS.json        # written by `emend-photo-model evaluate`

The words are separated here as emend separates them (small letters; letters, digits, apostrophes and
hyphens are kept), because coco-caption's own tokenizer is a Java program.
"""

import argparse
import json
import re

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

TOLERANCE = 1e-9


def words(text):
    return " ".join(re.findall(r"[a-z0-9'\-\u0080-\U0010ffff]+", text.lower()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    args = parser.parse_args()
    with open(args.results) as file:
        conditions = json.load(file)["captions"]["conditions"]
    worst = 0.0
    for name, condition in conditions.items():
        references = {i: [words(text) for text in one["references"]]
                      for i, one in enumerate(condition["captions"])}
        captions = {i: [words(one["caption"])] for i, one in enumerate(condition["captions"])}
        bleu = Bleu(4).compute_score(references, captions, verbose=0)[0][3]
        cider = Cider().compute_score(references, captions)[0]
        for metric, theirs in (("bleu4", bleu), ("cider", cider)):
            ours = condition[metric]["mean"]
            worst = max(worst, abs(ours - theirs))
            print(f"{name}: {metric} {ours:.6f}, coco-caption {theirs:.6f}")
    print(f"largest difference {worst:.1e}")
    raise SystemExit(int(worst > TOLERANCE))


if __name__ == "__main__":
    main()
