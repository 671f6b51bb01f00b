#!/usr/bin/env python3
"""Prints a page of edits with the answers before and after, in Markdown, from a run of `emend bench`.

    edits_page.py RUN SUITE.json EDITOR

Photos are not copied: the page has the address and the license of each photo that the suite names.
"""
import json
import pathlib
import sys

TITLES = {
    "reliability": "the photo",
    "text_generality": "another wording",
    "image_generality": "an altered copy of the photo",
    "text_locality": "a question without a picture",
    "image_locality": "a question about another photo",
}


def one_line(text):
    return " ".join(text.split()).replace("|", "\\|")


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: edits_page.py RUN SUITE.json EDITOR")
    run, suite, editor = sys.argv[1:]
    rows = json.loads(pathlib.Path(suite).read_text())
    lines = (pathlib.Path(run) / "samples.jsonl").read_text().splitlines()
    samples = [sample for sample in map(json.loads, lines) if sample["editor"] == editor]
    if not samples:
        sys.exit(f"edits_page.py: '{run}' has no edits by '{editor}'. Hint: name an editor of the run")
    for sample in samples:
        row = rows[int(sample["record"].rsplit("-", 1)[1])]
        photo = row.get("photo")
        about = f"[photo]({photo['source']}), {photo['license']}" if photo else row["image"]
        print(f"**{sample['index'] + 1}.** {about}. Target: *{one_line(sample['target'])}*\n")
        print("| asked | before | after |\n|---|---|---|")
        for probe in sample["probes"]:
            asked = f"{TITLES[probe['group']]}: {one_line(probe['prompt'])}"
            print(f"| {asked} | {one_line(probe['before'])} | {one_line(probe['after'])} |")
        print()


if __name__ == "__main__":
    main()
