#!/usr/bin/env python3
"""Writes small checkpoints in the formats of LAVIS and MiniGPT-4, and the results of their models,
for the tests of src/models/convert.

    python make_convert_fixtures.py OUT        # OUT is src/models/testdata/convert

The models are composed of parts of transformers, with torch's default eps (1e-5) in the norm after
the vision tower, as in LAVIS and MiniGPT-4. Their tensors are then saved with LAVIS' names by
torch.save. OUT/blip2: blip2.pth (under `model`, with other training state), vit.pth (flat, with an
unused block, norm and head), opt/ (config.json, pytorch_model.bin in two shards; its tokenizer is
src/text/testdata/small_opt), expected.safetensors.
"""

import argparse
import collections
import json
import pathlib
import re
import shutil

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Blip2Config, Blip2ForConditionalGeneration

from make_blip2_fixtures import eager, make_batch, make_pixels, randomize

VOCABULARY = 1002  # of small_opt
LAVIS_EPS = 1e-5


def lavis_vision(state, layers, prefix=""):
    """The vision tower with LAVIS' names; q and v biases are separate, because EVA has no bias of
    keys."""
    out = collections.OrderedDict()
    vision = "vision_model."
    out[prefix + "cls_token"] = state[vision + "embeddings.class_embedding"]
    out[prefix + "pos_embed"] = state[vision + "embeddings.position_embedding"]
    for kind in ("weight", "bias"):
        out[f"{prefix}patch_embed.proj.{kind}"] = state[f"{vision}embeddings.patch_embedding.{kind}"]
    names = {"layer_norm1": "norm1", "layer_norm2": "norm2", "self_attn.projection": "attn.proj",
             "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    for i in range(layers):
        ours, theirs = f"{vision}encoder.layers.{i}.", f"{prefix}blocks.{i}."
        for ours_name, name in names.items():
            for kind in ("weight", "bias"):
                out[f"{theirs}{name}.{kind}"] = state[f"{ours}{ours_name}.{kind}"]
        q, k, v = state[ours + "self_attn.qkv.bias"].chunk(3)
        assert (k == 0).all()
        out[theirs + "attn.q_bias"], out[theirs + "attn.v_bias"] = q.clone(), v.clone()
        out[theirs + "attn.qkv.weight"] = state[ours + "self_attn.qkv.weight"]
    return out


def lavis_connector(state):
    out = collections.OrderedDict(query_tokens=state["query_tokens"])
    for kind in ("weight", "bias"):
        out["ln_vision." + kind] = state["vision_model.post_layernorm." + kind]
        out["Qformer.bert.embeddings.LayerNorm." + kind] = state["qformer.layernorm." + kind]
    for name, value in state.items():
        match = re.fullmatch(r"qformer\.(encoder\.layer\.\d+\.)(.+)", name)
        if match:
            rest = re.sub(r"(attention|crossattention)\.attention\.", r"\1.self.", match[2])
            out["Qformer.bert." + match[1] + rest] = value
    return out


def zero_key_biases(model):
    """Zeroes the bias of keys, which EVA does not have: transformers has a single bias of q, k and
    v."""
    with torch.no_grad():
        for block in model.vision_model.encoder.layers:
            width = block.self_attn.qkv.bias.shape[0] // 3
            block.self_attn.qkv.bias[width:2 * width] = 0


def calm_vision(model):
    """Makes the variance before the norm after the tower so small that its eps has a visible
    effect."""
    with torch.no_grad():
        embeddings = model.vision_model.embeddings
        for p in (embeddings.class_embedding, embeddings.position_embedding,
                  embeddings.patch_embedding.weight, embeddings.patch_embedding.bias):
            p.mul_(0.05)
        for block in model.vision_model.encoder.layers:
            for layer in (block.self_attn.projection, block.mlp.fc2):
                layer.weight.mul_(0.01)
                layer.bias.mul_(0.01)


def half(model):
    """Rounds to values that fp16 can store exactly."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.half().float())


def training(model):
    """Other entries of LAVIS' checkpoints."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    return {"model": model, "optimizer": optimizer.state_dict(), "scaler": None, "epoch": 3,
            "config": {"run": {"task": "image_text_pretrain", "lr_sched": "linear", "seed": 42}}}


def halved(state):
    return {k: v.half() for k, v in state.items()}


def make_blip2(root):
    vision = dict(hidden_size=18, intermediate_size=24, num_hidden_layers=2, num_attention_heads=3,
                  image_size=18, patch_size=6)
    qformer = dict(vocab_size=40, hidden_size=12, intermediate_size=20, num_hidden_layers=3,
                   num_attention_heads=2, encoder_hidden_size=18)
    text = dict(model_type="opt", vocab_size=VOCABULARY, hidden_size=16, word_embed_proj_dim=16,
                ffn_dim=24, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=48)
    config = Blip2Config(vision_config=vision, qformer_config=qformer, text_config=text,
                         num_query_tokens=4, image_token_index=VOCABULARY - 1)
    model = Blip2ForConditionalGeneration._from_config(config, **eager()).eval()
    randomize(model, 11)
    zero_key_biases(model)
    calm_vision(model)
    half(model)
    model.vision_model.post_layernorm.eps = LAVIS_EPS

    state = {k: v.clone() for k, v in model.state_dict().items()}
    folder = root / "blip2"
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "opt").mkdir(parents=True)

    # The file of the tower has more tensors than are used.
    tower = lavis_vision(state, 2)
    for name, value in list(tower.items()):
        if name.startswith("blocks.1."):
            tower[name.replace("blocks.1.", "blocks.2.")] = torch.full_like(value, 7.0)
    tower["norm.weight"], tower["norm.bias"] = torch.ones(18), torch.zeros(18)
    tower["head.weight"], tower["head.bias"] = torch.ones(3, 18), torch.zeros(3)
    torch.save(halved(tower), folder / "vit.pth")

    connector = lavis_connector(state)
    for kind in ("weight", "bias"):
        connector["opt_proj." + kind] = state["language_projection." + kind]
    # The text branch of the first training stage of LAVIS.
    connector["Qformer.bert.embeddings.position_ids"] = torch.arange(8).expand(1, -1)
    connector["Qformer.bert.embeddings.word_embeddings.weight"] = torch.ones(3, 12)
    connector["Qformer.bert.encoder.layer.0.intermediate.dense.weight"] = torch.ones(20, 12)
    connector["Qformer.bert.encoder.layer.0.output.LayerNorm.weight"] = torch.ones(12)
    connector["Qformer.cls.predictions.bias"] = torch.ones(3)
    connector["itm_head.bias"] = torch.ones(2)
    torch.save(training(connector), folder / "blip2.pth")

    # The OPT folder: the head is stored again, the decoder's version, two shards.
    prefix = "language_model."
    opt = {k[len(prefix):]: v for k, v in halved(state).items() if k.startswith(prefix)}
    opt["model.decoder.version"] = torch.tensor([3.0])
    opt["lm_head.weight"] = opt["model.decoder.embed_tokens.weight"]
    first = {k for k in opt if "layers.1." not in k}
    shards = {"pytorch_model-00001-of-00002.bin": {k: v for k, v in opt.items() if k in first},
              "pytorch_model-00002-of-00002.bin": {k: v for k, v in opt.items() if k not in first}}
    for name, part in shards.items():
        torch.save(part, folder / "opt" / name)
    (folder / "opt" / "pytorch_model.bin.index.json").write_text(json.dumps(
        {"metadata": {}, "weight_map": {k: n for n, part in shards.items() for k in part}}))
    text = dict(text, architectures=["OPTForCausalLM"], bos_token_id=2, eos_token_id=2,
                pad_token_id=1, torch_dtype="float16")
    (folder / "opt" / "config.json").write_text(json.dumps(text, indent=1))

    rng = np.random.default_rng(5)
    pixels = make_pixels(rng, 2, 18, 18)
    slots = [VOCABULARY - 1] * 4
    rows = [slots + [2] + rng.integers(4, VOCABULARY - 2, n).tolist() for n in (6, 4)]
    batch = make_batch(rows, "right", pixels)
    out = {"pixel_values": pixels, "input_ids": batch["input_ids"],
           "attention_mask": batch["attention_mask"]}
    with torch.no_grad():
        logits = model(**batch).logits[batch["attention_mask"].bool()]
        model.vision_model.post_layernorm.eps = 1e-6
        other = model(**batch).logits[batch["attention_mask"].bool()]
    seen = float((logits - other).abs().max() / logits.abs().max())
    print(f"blip2: logits std {logits.std():.2f}; the eps of ln_vision shows by {seen:.1e}")
    assert seen > 1e-3
    out["logits"] = logits[:, :200].contiguous()  # of 1002: OPT's head is tested elsewhere
    save_file(out, folder / "expected.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    make_blip2(args.out)
    for path in sorted(args.out.rglob("*")):
        if path.is_file():
            print(f"{path.relative_to(args.out)}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
