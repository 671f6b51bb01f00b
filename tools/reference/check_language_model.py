#!/usr/bin/env python3
"""Compares a text-only model in emend with Hugging Face transformers.

    python make_folder_from_gguf.py FOLDER
    python check_language_model.py FOLDER --emend build/emend --force build/emend-force-texts

Questions of several kinds and scripts are asked as a chat and as plain text. The chat as text, its
tokens, greedy answers of up to 32 tokens, and the logits at every position of question and answer
are compared. Exits with 1 if a text or token differs, or a logit by more than 1e-3 (float32).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from hugging_face import MAX_NEW_TOKENS, emend

BOUND = 1e-3
QUESTIONS = [
    "What is the capital of France?", "Who wrote Romeo and Juliet?", "Why is the sky blue?",
    "How many legs does a spider have?", "Name three primary colors.",
    "What is 12 + 30?", "Add 1234567 and 89.", "When did World War II end?",
    "Translate to French: good morning", "What do bees make?",
    "Write a short poem about the sea.", "Is water wet? Answer yes or no.",
    "What is the largest planet of the solar system?", "Write a Python function that adds two numbers.",
    "The mother tongue of Danielle Darrieux is", "Apple A5 was created by",
    "What does the word \u201ccaf\u00e9\u201d mean?", "Wo liegt M\u00fcnchen? K\u00f6ln? Gr\u00fc\u00dfe!",
    "\u6771\u4eac\u306f\u3069\u3053\u3067\u3059\u304b\uff1f", "\u4f60\u597d\uff0c\u4e16\u754c",
    "\u041a\u0442\u043e \u043d\u0430\u043f\u0438\u0441\u0430\u043b \u00ab\u0412\u043e\u0439\u043d\u0443 \u0438 \u043c\u0438\u0440\u00bb?",
    "\u0645\u0631\u062d\u0628\u0627", "What does \U0001f600\U0001f44d\U0001f3fd mean?",
    "a\u0301 and \u00e1: the same?", "  two  spaces,\ttab\nand lines\n\n", "It's we'll I'D they've",
    "x=3.14159; y = {1, 2}; // done", "\u00bd \u2075 \u0664\u0665 \u2167",
]


def check_texts(args, model, tokenizer):
    """Counts of equal results, and the largest difference of a logit."""
    counts = dict.fromkeys(["prompts", "answers", "tokens", "best"], 0)
    asked = []
    for question in QUESTIONS:
        for chat in (True, False):
            ours = emend(args.emend, "ask", "-m", args.model, "-p", question, "--template", "{}",
                         "--max-new-tokens", MAX_NEW_TOKENS, *([] if chat else ["--no-chat-template"]))
            turns = [{"role": "user", "content": question}]
            theirs = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            prompt = theirs if chat else question
            ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=not chat)
            made = model.generate(**ids, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
            new = made[0, ids["input_ids"].shape[1]:]
            answer = tokenizer.decode(new, skip_special_tokens=True).strip()
            counts["prompts"] += ours["formatted_prompt"] == prompt
            counts["answers"] += ours["answer"] == answer
            for name, mine, other in (("asked", ours["formatted_prompt"], prompt), ("answer", ours["answer"], answer)):
                if mine != other:
                    print(f"{question!r} {name}\n  emend        {mine!r}\n  transformers {other!r}")
            text = tokenizer.decode(new, skip_special_tokens=True) or "."
            asked.append({"prompt": prompt, "answer": text})
    largest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "texts.json").write_text(json.dumps(asked))
        subprocess.run([args.force, args.model, scratch / "texts.json", scratch / "out"], check=True)
        forced = load_file(scratch / "out")
    for i, text in enumerate(asked):
        ids = tokenizer(text["prompt"])["input_ids"] + tokenizer(text["answer"])["input_ids"]
        same = forced[f"{i}.tokens"].tolist() == ids
        counts["tokens"] += same
        if not same:
            print(f"{text}\n  emend        {forced[f'{i}.tokens'].tolist()}\n  transformers {ids}")
            continue
        logits = model(input_ids=torch.tensor([ids])).logits[0]
        ours = forced[f"{i}.logits"]
        largest = max(largest, (logits - ours).abs().max().item())
        counts["best"] += bool((logits.argmax(-1) == ours.argmax(-1)).all())
    return counts, len(asked), largest


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--emend", type=pathlib.Path, default=pathlib.Path("build/emend"))
    parser.add_argument("--force", type=pathlib.Path, default=pathlib.Path("build/emend-force-texts"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    counts, total, largest = check_texts(args, model, tokenizer)
    print(f"{total} prompts: asked as the same text {counts['prompts']}, same tokens "
          f"{counts['tokens']}, same greedy answer {counts['answers']}, same best token at every "
          f"position {counts['best']}; largest difference of a logit {largest:.1e}")
    sys.exit(any(count != total for count in counts.values()) or largest > BOUND)


if __name__ == "__main__":
    main()
