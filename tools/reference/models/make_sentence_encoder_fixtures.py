"""Writes src/models/testdata/sentence: small random BERT and DistilBERT folders with embeddings.

    python tools/reference/models/make_sentence_encoder_fixtures.py

Needs torch and transformers. `bert` is a folder of sentence-transformers: mean over the attention
mask, normalization, at most 12 tokens. `bert_plain` is the same model as a plain folder, with mean
pooling. `distilbert` is the folder of a masked language model, with pooling of the first state; its
tokenizer is a cased vocab.txt. NAME.safetensors next to the folders has `embeddings` (N, D), and
the texts as metadata.
"""

import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (AutoModel, AutoTokenizer, BertConfig, BertModel, DistilBertConfig, DistilBertForMaskedLM,
                          set_seed)

OUT = pathlib.Path(__file__).resolve().parents[3] / "src/models/testdata/sentence"
TOKENS = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("abcdefghijklmnop.,?!")
          + ["##" + c for c in "abcdefghijklmnop"] + ["red", "blue", "Red", "star", "what", "is", "it", "日"])
TEXTS = ["red star", "blue star", "what is it?", "What is it?", "", "a", "Réd STAR!", "日 is red", "xyz is it",
         "is it red, is it blue, is it a star, is it red or blue, what is it?", "[MASK] star", "abcdefg hijklmnop",
         "  red\tstar ", "red star"]


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def uncased():
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(TOKENS)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(TOKENS[:5])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def spread(model):
    """Randomizes biases and norms, so that they have an effect."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def bert():
    folder = OUT / "bert"
    set_seed(0)
    config = BertConfig(vocab_size=len(TOKENS), hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
                        intermediate_size=20, max_position_embeddings=16, initializer_range=0.4)
    spread(BertModel(config)).save_pretrained(folder)
    write(folder / "tokenizer.json", json.loads(uncased().to_str()))
    write(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"})
    kinds = "sentence_transformers.models."
    write(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": kinds + "Transformer"},
                                    {"idx": 1, "name": "1", "path": "1_Pooling", "type": kinds + "Pooling"},
                                    {"idx": 2, "name": "2", "path": "2_Normalize", "type": kinds + "Normalize"}])
    (folder / "1_Pooling").mkdir()
    write(folder / "1_Pooling/config.json", {"word_embedding_dimension": 12, "pooling_mode_cls_token": False,
                                             "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False})
    write(folder / "sentence_bert_config.json", {"max_seq_length": 12, "do_lower_case": False})
    return folder


def distilbert():
    folder = OUT / "distilbert"
    set_seed(1)
    config = DistilBertConfig(vocab_size=len(TOKENS), dim=12, n_layers=2, n_heads=2, hidden_dim=20,
                              max_position_embeddings=16, initializer_range=0.4)
    spread(DistilBertForMaskedLM(config)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(t + "\n" for t in TOKENS), encoding="utf-8")
    write(folder / "tokenizer_config.json", {"do_lower_case": False, "model_max_length": 16})
    return folder


def embed(folder, length, pool):
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=length, return_tensors="pt")
    batch = {k: v for k, v in batch.items() if k in ("input_ids", "attention_mask", "token_type_ids")}
    if "token_type_ids" in batch and model.config.model_type == "distilbert":
        del batch["token_type_ids"]
    with torch.no_grad():
        return pool(model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1).float())


def mean(states, mask):
    return (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)


def unit(states, mask):
    return torch.nn.functional.normalize(mean(states, mask), dim=1)


def expect(name, embeddings):
    save_file({"embeddings": embeddings.contiguous()}, OUT / f"{name}.safetensors", {"texts": json.dumps(TEXTS)})
    print(name, tuple(embeddings.shape), "largest distance", float(torch.cdist(embeddings, embeddings).max()))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    folder = bert()
    expect("bert", embed(folder, 12, unit))
    expect("bert_plain", embed(folder, 16, mean))
    expect("distilbert", embed(distilbert(), 16, lambda states, mask: states[:, 0]))


if __name__ == "__main__":
    main()
