#!/usr/bin/env python3
"""Compares the embeddings of a sentence encoder in emend with Hugging Face transformers.

    python check_sentence_encoder.py FOLDER --embed build/emend-embed-texts

FOLDER has a BERT or DistilBERT model, such as all-MiniLM-L6-v2 or distilbert-base-cased. The texts
are the lines of the tokenizer fixture. States are pooled, truncated and normalized as the folder's
sentence-transformers files say (or --pooling, if it has none). Needs torch, transformers,
safetensors. Exits with 1 if an embedding differs by more than 1e-4 of the largest number, or the
nearest neighbors differ.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "text"))
from tokenizer_lines import lines  # noqa: E402


def read(path, absent):
    return json.loads(path.read_text()) if path.exists() else absent


def reference(folder, texts, pooling):
    modules = [module["type"].split(".")[-1] for module in read(folder / "modules.json", [])]
    if read(folder / "1_Pooling/config.json", {}).get("pooling_mode_cls_token"):
        pooling = "cls"
    elif modules:
        pooling = "mean"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).float().eval()
    length = min(model.config.max_position_embeddings, tokenizer.model_max_length,
                 read(folder / "sentence_bert_config.json", {}).get("max_seq_length", 1 << 20))
    print(f"{model.config.model_type}: {pooling} of {length} tokens at most{', length 1' if 'Normalize' in modules else ''}")
    rows = []
    with torch.no_grad():
        for i in range(0, len(texts), 16):
            batch = tokenizer(texts[i:i + 16], padding=True, truncation=True, max_length=length, return_tensors="pt")
            states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).float()
            row = states[:, 0] if pooling == "cls" else (states * mask).sum(1) / mask.sum(1)
            rows.append(torch.nn.functional.normalize(row, dim=1) if "Normalize" in modules else row)
    return torch.cat(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--embed", default="build/emend-embed-texts")
    parser.add_argument("--pooling", choices=["mean", "cls"], default="mean")
    parser.add_argument("--count", type=int, default=400, help="number of texts, evenly spaced in the lines")
    args = parser.parse_args()
    texts = [t if isinstance(t, str) else t[0] * min(t[1], 2000) for t in lines()]
    texts = texts[::max(1, len(texts) // args.count)]
    theirs = reference(args.folder, texts, args.pooling)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "texts.json").write_text(json.dumps(texts))
        subprocess.run([args.embed, args.folder, args.pooling, scratch / "texts.json", scratch / "out"], check=True)
        ours = load_file(scratch / "out")["embeddings"]
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    cosine = torch.nn.functional.cosine_similarity(ours, theirs).min().item()
    # Compares the nearest neighbors, which IKE uses; identical texts may have any order.
    unit = torch.nn.functional.normalize(theirs.double(), dim=1)
    cosines = (unit @ unit.T).fill_diagonal_(-2)
    own = torch.nn.functional.normalize(ours.double(), dim=1)
    chosen = (own @ own.T).fill_diagonal_(-2).topk(8).indices
    loss = (cosines.topk(8).values - cosines.gather(1, chosen)).abs().max().item()
    print(f"{len(texts)} texts: largest difference {error:.2e} of the largest number, least cosine {cosine:.7f}; "
          f"cosines of the 8 nearest differ by {loss:.2e} at most from those of the right 8")
    sys.exit(error > 1e-4 or loss > 1e-5)


if __name__ == "__main__":
    main()
