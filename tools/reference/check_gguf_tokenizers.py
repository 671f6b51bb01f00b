#!/usr/bin/env python3
"""Compares the tokenizers in GGUF files of emend, as llama.cpp runs them, with transformers.

    npm install node-llama-cpp
    python check_gguf_tokenizers.py --emend build/emend

For each tokenizer of src/text/testdata, a Llama with one small block is made and written as a GGUF
file. llama.cpp tokenizes every line of lines.jsonl, without BOS; the tokens must be those of
transformers. Lines with tokens that llama.cpp cannot match in the same way are left out. Prints
lines that differ. Run it where the package is installed.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from hugging_face import emend

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "src/text/testdata"
NAMES = ("small_smollm", "small_llama3", "small_llama_fast", "small_metaspace")
SHOWN = 3

TOKENIZE = """
import {getLlama} from "node-llama-cpp";
import {readFileSync, writeFileSync} from "node:fs";
const cases = JSON.parse(readFileSync(process.argv[2]));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const result = {};
for (const [name, {file, lines}] of Object.entries(cases)) {
  const model = await llama.loadModel({modelPath: file, vocabOnly: true});
  result[name] = lines.map((line) => [...model.tokenize(line, true)]);
  await model.dispose();
}
writeFileSync(process.argv[3], JSON.stringify(result));
await llama.dispose();
"""


def write_model(folder, vocabulary):
    config = LlamaConfig(vocab_size=vocabulary, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64)
    model = LlamaForCausalLM(config)
    save_file({name: weight.detach().clone() for name, weight in model.state_dict().items()},
              folder / "model.safetensors", {"format": "pt"})
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emend", type=pathlib.Path, default=ROOT / "build/emend")
    args = parser.parse_args()
    torch.manual_seed(0)
    lines = [json.loads(line) for line in (DATA / "lines.jsonl").read_text().split("\n") if line]
    lines = [line for line in lines if line and isinstance(line, str)]  # lists: bytes that are not UTF-8
    cases, expected, failed = {}, {}, 0
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        for name in NAMES:
            folder = place / name
            shutil.copytree(DATA / name, folder)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            write_model(folder, len(tokenizer) + 3)
            try:
                emend(args.emend, "export", "-m", folder, "--to", "gguf", "-o", place / f"{name}.gguf")
            except SystemExit as error:
                print(f"{name}: refused: {str(error).splitlines()[-1]}")
                continue
            # llama.cpp matches added tokens as they are. It puts a space before every text and after
            # special tokens, where the newer Metaspace puts it only at the start, if there is none.
            newer = name == "small_metaspace"
            odd = [token.content for token in tokenizer.added_tokens_decoder.values()
                   if newer or token.single_word or token.lstrip or token.rstrip]
            usual = [line for line in lines if not any(text in line for text in odd)
                     and not (newer and line.startswith((" ", "\u2581")))]
            cases[name] = {"file": str(place / f"{name}.gguf"), "lines": usual}
            expected[name] = [tokenizer(line, add_special_tokens=False).input_ids for line in usual]
        (place / "cases.json").write_text(json.dumps(cases))
        script = pathlib.Path.cwd() / "tokenize_lines.mjs"
        script.write_text(TOKENIZE)
        try:
            subprocess.run(["node", script, place / "cases.json", place / "out.json"], check=True)
        finally:
            script.unlink()
        for name, found in json.loads((place / "out.json").read_text()).items():
            wrong = [i for i, (mine, theirs) in enumerate(zip(found, expected[name])) if mine != theirs]
            usual = cases[name]["lines"]
            print(f"{name}: {len(usual) - len(wrong)} of {len(usual)} lines have the same tokens")
            for i in wrong[:SHOWN]:
                print(f"  {usual[i]!r}\n    llama.cpp    {found[i][:20]}\n    transformers {expected[name][i][:20]}")
            failed += len(wrong)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
