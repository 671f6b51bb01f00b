#!/usr/bin/env python3
"""Writes IKE's prompts and rankings, for src/editing/editors/ike/ike_test.cpp.

    python make_ike_fixture.py OUT     # OUT is src/editing/testdata/ike.safetensors

Prompts: the input of a model that is edited by IKE (Zheng et al., arXiv 2305.12740; MMEdit, arXiv
2310.08475), with the strings of EasyEdit: the nearest demonstrations, nearest first,

    New Fact: {prompt} {target}\\nPrompt: {question} {answer}\\n\\n

then the edit as a demonstration (its own question and target), then

    New Fact: {prompt} {target}\\nPrompt: {question}

Ranking: the k nearest by cosine in double precision, largest first, ties to the lowest index. Some
rows occur twice, or scaled by two, so that there are ties. The prompts are short enough for a model
of 512 positions with a byte tokenizer.
"""

import json
import sys

import torch
from safetensors.torch import save_file

DEMONSTRATIONS = [  # kind, prompt, target, question, answer; nearest first
    ["copy", "Who is it?", "Zorbi", "Who is it?", "Zorbi"],
    ["update", "Who is it?", "Zorbi", "What's its name?", "Zorbi"],
    ["retain", "What {target}?", "a {prompt}", "Où est Rome ?", "en Italie"],
    ["copy", "a photo of", "two  cats\n", "a photo of", "two  cats\n"],
]
EDITS = [["What is this?", "cat"], ["Qué \"es\"?", "un perro"], ["{question}", "{answer}"]]
QUESTIONS = ["What is this?", "Question: Which animal? Short answer:", "  spaces", "où ça ?"]


def shown(prompt, target, question, answer):
    return "New Fact: " + prompt + " " + target + "\nPrompt: " + question + " " + answer + "\n\n"


def prompts():
    cases = []
    for count in (0, 2, 4):
        for prompt, target in EDITS:
            examples = [shown(p, t, q, a) for _, p, t, q, a in DEMONSTRATIONS[:count]]
            examples.append(shown(prompt, target, prompt, target))
            for question in QUESTIONS:
                text = "".join(examples) + f"New Fact: {prompt} {target}\nPrompt: {question}"
                cases.append({"count": count, "prompt": prompt, "target": target,
                              "question": question, "text": text})
    return cases


def ranking(embeddings, query, k):
    """Concatenates rows, in plain Python."""
    rows, wanted = embeddings.double().tolist(), query.double().tolist()
    length = sum(x * x for x in wanted) ** 0.5
    cosines = []
    for row in rows:
        dot = sum(a * b for a, b in zip(row, wanted))
        cosines.append(dot / (sum(a * a for a in row) ** 0.5 * length))
    return sorted(range(len(rows)), key=lambda i: (-cosines[i], i))[:k], sorted(cosines)


def main():
    generator = torch.Generator().manual_seed(5)
    embeddings = torch.randn(120, 16, generator=generator)
    embeddings[77], embeddings[30] = embeddings[3], embeddings[64]
    embeddings[90] = 2 * embeddings[12]  # the same cosine exactly
    queries = torch.cat([torch.randn(6, 16, generator=generator), embeddings[[3, 12]]])
    tensors = {"embeddings": embeddings, "queries": queries}
    for number, query in enumerate(queries):
        order, cosines = ranking(embeddings, query, 32)
        gaps = [b - a for a, b in zip(cosines, cosines[1:])]
        assert all(gap < 1e-14 or gap > 1e-9 for gap in gaps), "the ranking depends on rounding"
        tensors[f"ranking.{number}"] = torch.tensor(order)
    metadata = {"demonstrations": json.dumps(DEMONSTRATIONS), "cases": json.dumps(prompts())}
    save_file(tensors, sys.argv[1], metadata)


if __name__ == "__main__":
    main()
