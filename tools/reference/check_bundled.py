#!/usr/bin/env python3
"""Compares the answers of the bundled model in emend with those in Hugging Face transformers.

    build/emend scenes export -o /tmp/scenes --split eval --count 100 --seed 1
    python check_bundled.py models/scenes-blip2 /tmp/scenes/scenes_eval.json --emend build/emend

For every record, both answer the question, the rephrased prompt, the redrawn picture, the unrelated
text and the unrelated picture. Exits with 1 if an answer differs.
"""

import argparse
import collections
import json
import pathlib
import sys

from hugging_face import HuggingFace, ask


def questions(record, folder):
    """Returns (kind, text, picture or None) for each question of an MMEdit record."""
    picture = folder / record["image"]
    yield "src", record["src"], picture
    if record["rephrase"]:
        yield "rephrase", record["rephrase"], picture
    if record["image_rephrase"]:
        yield "image_rephrase", record["src"], folder / record["image_rephrase"]
    if record["loc"]:
        yield "loc", record["loc"], None
    if record["m_loc"]:
        yield "m_loc", record["m_loc_q"], folder / record["m_loc"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("records", type=pathlib.Path)
    parser.add_argument("--emend", type=pathlib.Path, default=pathlib.Path("build/emend"))
    parser.add_argument("--count", type=int, default=40, help="number of records")
    args = parser.parse_args()
    reference = HuggingFace(args.model)
    asked, same, true = (collections.Counter() for _ in range(3))
    records = json.loads(args.records.read_text())[:args.count]
    for record in records:
        for kind, text, picture in questions(record, args.records.parent):
            ours = ask(args.emend, args.model, text, picture)
            theirs = reference.answer(ours["prompt"], picture)
            asked[kind] += 1
            same[kind] += ours["answer"] == theirs
            if kind == "src":  # `pred` is the true answer in a counterfactual edit
                true[kind] += theirs == record["pred"]
            if ours["answer"] != theirs:
                print(f"{kind}: {text!r} {picture}\n  emend        {ours['answer']!r}\n"
                      f"  transformers {theirs!r}")
    for kind in asked:
        print(f"{kind:15} {same[kind]} of {asked[kind]} answers agree")
    total = sum(asked.values())
    print(f"{'all':15} {sum(same.values())} of {total} answers agree; transformers gives `pred` to "
          f"{true['src']} of {asked['src']} questions")
    sys.exit(0 if total and same == asked else 1)


if __name__ == "__main__":
    main()
