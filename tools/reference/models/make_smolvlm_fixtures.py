#!/usr/bin/env python3
"""Writes small random SmolVLM and Idefics3 folders with the results of transformers.

    python make_smolvlm_fixtures.py OUT      # transformers 5.23

OUT is src/models/testdata/smolvlm. The folders have the layout of make_llama_fixtures.py;
pixel_values are those of all tiles, one after another. Parts that differ from LLaVA are replaced
here.
"""

import argparse
import pathlib

import make_llama_fixtures as shared
import numpy as np
import torch
from make_blip2_fixtures import make_batch, make_pixels
from transformers import (Idefics3Config, Idefics3ForConditionalGeneration, SmolVLMConfig,
                          SmolVLMForConditionalGeneration)

IMAGE_TOKEN = shared.IMAGE_TOKEN


def specs():
    text = dict(model_type="llama", vocab_size=shared.VOCABULARY, hidden_size=16,
                intermediate_size=18, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=96, bos_token_id=1, eos_token_id=2,
                rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=300.0))
    return {
        # Like SmolVLM-256M: one picture per row, untied head.
        "plain": dict(
            kind=(Idefics3Config, Idefics3ForConditionalGeneration), tiles=(1, 1, 1),
            vision=dict(hidden_size=12, intermediate_size=18, num_hidden_layers=2,
                        num_attention_heads=3, image_size=12, patch_size=3),
            rest=dict(scale_factor=2, tie_word_embeddings=False), text=text, seed=31),
        # Different tiles, 9 patches (81 is not a power of two), several pictures per row.
        "tiles": dict(
            kind=(SmolVLMConfig, SmolVLMForConditionalGeneration), tiles=(2, 1, 3),
            vision=dict(hidden_size=8, intermediate_size=14, num_hidden_layers=3,
                        num_attention_heads=2, image_size=19, patch_size=2, hidden_act="gelu",
                        layer_norm_eps=1e-3),
            rest=dict(scale_factor=3, tie_word_embeddings=True),
            text=dict(text, tie_word_embeddings=True), seed=32),
    }


def build(spec):
    kind, architecture = spec["kind"]
    config = kind(vision_config=dict(spec["vision"]), text_config=dict(spec["text"]),
                  image_token_id=IMAGE_TOKEN, **spec["rest"])
    model = architecture._from_config(config, attn_implementation="eager")
    shared.randomize(model.eval(), spec["seed"])
    return model


class Taps(shared.Taps):
    def __init__(self, model):
        self.seen, self.handles = {}, []
        tower, blocks = model.model.vision_model, model.model.text_model.layers
        self.before(tower.encoder.layers[0], "vision_tower.embed")
        for i, block in enumerate(tower.encoder.layers):
            self.after(block, f"vision_tower.block.{i}")
        self.after(tower.post_layernorm, "vision_tower.norm")
        self.after(model.model.connector, "connector.project")
        self.before(blocks[0], "language.embed")
        for i, block in enumerate(blocks):
            self.after(block, f"language.block.{i}")


def run(model, batch):
    taps = Taps(model)
    try:
        positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        out = model(**batch, position_ids=positions, use_cache=False)
    finally:
        taps.close()
    return dict(taps.seen, logits=out.logits)


GRADIENTS = [f"model.{name}" for name in (
    "vision_model.embeddings.patch_embedding.bias",
    "vision_model.embeddings.position_embedding.weight",
    "vision_model.encoder.layers.0.self_attn.k_proj.weight",
    "vision_model.encoder.layers.0.mlp.fc1.weight", "vision_model.post_layernorm.weight",
    "connector.modality_projection.proj.weight", "text_model.embed_tokens.weight",
    "text_model.layers.0.self_attn.q_proj.weight", "text_model.layers.1.mlp.down_proj.weight",
    "text_model.layers.0.input_layernorm.weight", "text_model.norm.weight")]


def padded(tiles, counts):
    """(rows, most, 3, H, W): missing pictures are zeros, as in the processor."""
    out = torch.zeros(len(counts), max(counts), *tiles.shape[1:])
    first = 0
    for row, count in enumerate(counts):
        out[row, :count] = tiles[first:first + count]
        first += count
    return out


def cases(spec, model):
    rng = np.random.default_rng(spec["seed"] + 100)

    def text(count):
        return [1] + rng.integers(4, IMAGE_TOKEN - 1, count - 1).tolist()

    def shown(count):  # tiles with text between them
        slots = [IMAGE_TOKEN] * model.model.image_seq_len
        ids = list(slots)
        for _ in range(count - 1):
            ids += text(3)[1:] + slots
        return ids

    plain = [text(n) for n in (14, 4, 9)]
    out = {"text_right": make_batch(plain, "right"), "text_left": make_batch(plain, "left")}
    counts, size = spec["tiles"], spec["vision"]["image_size"]
    tiles = make_pixels(rng, sum(counts), size, size)
    prompts = [text(4) + shown(counts[0]) + text(5)[1:], text(1) + shown(counts[1]) + text(7)[1:],
               text(3) + shown(counts[2]) + text(3)[1:]]
    mixed = [prompts[0], plain[1], text(3) + shown(counts[1]) + text(2) + shown(counts[2])]
    for name, rows, seen in (("image_right", prompts, counts), ("image_left", prompts, counts),
                             ("mixed", mixed, (counts[0], 0, counts[1] + counts[2]))):
        out[name] = make_batch(rows, "left" if name == "image_left" else "right",
                               padded(tiles, seen))
    return out


def expected(spec, model, whole=shared.expected):
    out = whole(spec, model)
    for key in [k for k in out if k.endswith("/pixel_values")]:
        tiles = out[key].flatten(0, 1)
        out[key] = tiles[tiles.flatten(1).abs().amax(1) > 0].contiguous()
        assert len(out[key]) == sum(spec["tiles"])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    shared.language = lambda model: model.model.text_model
    for own in (build, Taps, run, cases, expected):
        setattr(shared, own.__name__, own)
    shared.GRADIENTS = GRADIENTS
    args.out.mkdir(parents=True, exist_ok=True)
    for name, spec in specs().items():
        shared.make(args.out / name, spec)


if __name__ == "__main__":
    main()
