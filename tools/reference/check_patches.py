#!/usr/bin/env python3
"""Compares a patch in emend with merged weights in Hugging Face transformers.

    build/emend scenes export -o /tmp/scenes --split eval --count 20 --seed 1
    python check_patches.py models/scenes-blip2 /tmp/scenes/scenes_eval.json --emend build/emend

For each edit, `emend edit` makes a patch (A: its answer after the edit), a new process answers with
`emend ask --patch` (B), and transformers answers with the patch added to its weights (C). The
questions are the edit's question, its rephrased prompt, and an unrelated picture. All answers must
agree, and without the patch, transformers must give the answer before the edit. Exits with 1 if an
answer differs.
"""

import argparse
import json
import pathlib
import sys
import tempfile

from safetensors import safe_open

from hugging_face import HuggingFace, ask, emend


def read_patch(path):
    """Returns {site: delta (out, in)}; low-rank deltas are multiplied out."""
    deltas = {}
    with safe_open(path, "pt") as file:
        assert file.metadata()["format"] == "emend-patch", path
        for site in json.loads(file.metadata()["patch"])["sites"]:
            names = file.keys()
            if f"{site}.delta" in names:
                deltas[site] = file.get_tensor(f"{site}.delta")
            else:
                deltas[site] = file.get_tensor(f"{site}.up") @ file.get_tensor(f"{site}.down")
    return deltas


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("records", type=pathlib.Path)
    parser.add_argument("--emend", type=pathlib.Path, default=pathlib.Path("build/emend"))
    parser.add_argument("--count", type=int, default=20, help="number of edits")
    args = parser.parse_args()
    reference = HuggingFace(args.model)
    folder = args.records.parent
    agreed = edits = changed = 0
    for i, record in enumerate(json.loads(args.records.read_text())[:args.count]):
        module = ("language", "vision")[i % 2]
        picture = folder / record["image"]
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place) / "edit.patch"
            edit = emend(args.emend, "edit", "-m", args.model, "--editor", "ft", "--module", module,
                         "--image", picture, "-p", record["src"], "--target", record["alt"],
                         "--probes", 1, "-o", path)
            questions = [(record["src"], picture), (record["rephrase"], picture),
                         (record["m_loc_q"], folder / record["m_loc"])]
            ours = [ask(args.emend, args.model, text, image, [path]) for text, image in questions]
            deltas = read_patch(path)
        same = [reference.answer(edit["prompt"], picture) == edit["before"]]
        kept = reference.merge(deltas)
        theirs = [reference.answer(o["prompt"], image) for o, (_, image) in zip(ours, questions)]
        reference.restore(kept)
        same.append(reference.answer(edit["prompt"], picture) == edit["before"])
        same.append(edit["after"] == ours[0]["answer"])
        same += [o["answer"] == t for o, t in zip(ours, theirs)]
        edits += 1
        agreed += all(same)
        changed += edit["before"] != edit["after"]
        verdict = "agree" if all(same) else f"DIFFER {same} {theirs}"
        print(f"{i:3} {module:8} {edit['before']!r} -> {edit['after']!r} "
              f"(target {record['alt']!r}), {len(deltas)} sites: {verdict}", flush=True)
    print(f"{agreed} of {edits} edits agree: emend edit, emend ask --patch, and transformers with the "
          f"merged weights; {changed} changed the answer")
    sys.exit(0 if edits and agreed == edits else 1)


if __name__ == "__main__":
    main()
