#!/usr/bin/env python3
"""Writes small random Qwen2-VL, Qwen2.5-VL and Qwen3-VL folders with the results of transformers.

    python make_qwen_vl_fixtures.py OUT      # transformers 5.24

OUT is src/models/testdata/qwen_vl. The folders have the layout of make_llama_fixtures.py, but the
pictures have different sizes: CASE/pixels.N is the N-th picture, (3, H, W), before it is divided
into patches. Stages before the language model have the patches of all pictures, one after another.
Parts that differ from LLaVA are replaced here.
"""

import argparse
import json
import pathlib

import make_llama_fixtures as shared
import numpy as np
import torch
import transformers
from make_blip2_fixtures import make_batch, make_pixels
from safetensors.torch import load_file, save_file

VIDEO, START, END = 41, 40, 39
IMAGE_TOKEN = shared.IMAGE_TOKEN


def specs():
    text = dict(vocab_size=shared.VOCABULARY, hidden_size=24, intermediate_size=20,
                num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
                max_position_embeddings=160, bos_token_id=1, eos_token_id=2,
                rope_parameters=dict(rope_type="default", rope_theta=300.0, mrope_section=[1, 1, 2]))
    second = dict(depth=2, embed_dim=16, num_heads=2, mlp_ratio=2, patch_size=3,
                  spatial_merge_size=2, temporal_patch_size=2)
    second_5 = dict(depth=3, hidden_size=16, intermediate_size=20, num_heads=2, patch_size=3,
                    spatial_merge_size=2, temporal_patch_size=2, window_size=12,
                    fullatt_block_indexes=[1])
    third = dict(depth=3, hidden_size=16, intermediate_size=20, num_heads=2, patch_size=3,
                 spatial_merge_size=2, temporal_patch_size=2, num_position_embeddings=25,
                 deepstack_visual_indexes=[0, 2])
    return {
        # Like Qwen2-VL-2B.
        "second": dict(kind="Qwen2VL", vision=second, text=dict(text), tied=True, seed=41),
        # Squares of 3 patches, one frame, other activations; names and config.json of releases
        # before 4.52.
        "second_older": dict(
            kind="Qwen2VL", older=True, tied=False, seed=47,
            vision=dict(second, embed_dim=12, num_heads=1, patch_size=2, spatial_merge_size=3,
                        temporal_patch_size=1, hidden_act="gelu_pytorch_tanh"),
            text=dict(text, num_attention_heads=2, num_key_value_heads=2, rms_norm_eps=1e-3,
                      rope_parameters=dict(rope_type="default", rope_theta=100.0,
                                           mrope_section=[2, 3, 1]))),
        # Windows of 2 x 2 image tokens.
        "second_5": dict(kind="Qwen2_5_VL", vision=second_5, text=dict(text), tied=False, seed=43),
        # Windows of one token in the first block, larger squares than windows allow.
        "second_5_windows": dict(
            kind="Qwen2_5_VL", tied=True, seed=44,
            vision=dict(second_5, num_heads=4, patch_size=2, window_size=7, hidden_act="gelu",
                        fullatt_block_indexes=[0, 2]),
            text=dict(text, num_attention_heads=4, hidden_size=16, num_key_value_heads=2,
                      rope_parameters=dict(rope_type="default", rope_theta=1000.0,
                                           mrope_section=[0, 1, 1]))),
        # Like Qwen3-VL-2B: features of two blocks enter the decoder.
        "third": dict(
            kind="Qwen3VL", vision=third, tied=True, seed=45,
            text=dict(text, num_hidden_layers=3, head_dim=8, rope_parameters=dict(rope_type="default", rope_theta=500.0,
                                                             mrope_section=[2, 1, 1]))),
        # DeepStack enters every decoder block; a head size that is not hidden / heads.
        "third_deep": dict(
            kind="Qwen3VL", tied=False, seed=46,
            vision=dict(third, num_heads=1, hidden_size=12, patch_size=2, temporal_patch_size=1,
                        num_position_embeddings=16, deepstack_visual_indexes=[0, 1]),
            text=dict(text, head_dim=12, hidden_size=20, num_attention_heads=2,
                      num_key_value_heads=2, attention_bias=True,
                      rope_parameters=dict(rope_type="default", rope_theta=80.0,
                                           mrope_section=[2, 2, 2]))),
    }


# Sizes of the pictures in image tokens; the fourth is the second of the row with two pictures.
SIZES = ((3, 2), (2, 5), (1, 1), (4, 3))


def build(spec):
    kind = spec["kind"]
    vision = dict(spec["vision"])
    vision["hidden_size" if kind == "Qwen2VL" else "out_hidden_size"] = spec["text"]["hidden_size"]
    config = getattr(transformers, kind + "Config")(
        vision_config=vision, text_config=dict(spec["text"]), image_token_id=IMAGE_TOKEN,
        video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END,
        tie_word_embeddings=spec["tied"])
    of = getattr(transformers, kind + "ForConditionalGeneration")
    model = of._from_config(config, attn_implementation="eager")
    randomize(model.eval(), spec["seed"])
    return model


@torch.no_grad()
def randomize(model, seed):
    shared_randomize(model, seed)
    rng = np.random.default_rng(seed + 7)
    for name, p in sorted(model.named_parameters()):
        if name.endswith("ln_q.weight"):
            std, mean = 0.3, 1.0
        elif "patch_embed" in name and name.endswith("weight"):
            std, mean = 0.6 / np.prod(p.shape[1:]) ** 0.5, 0.0
        elif name.endswith("pos_embed.weight"):
            std, mean = 0.4, 0.0
        elif name.endswith(("mlp.2.weight", "linear_fc2.weight")) and "merger" in name:
            std, mean = 0.6 / p.shape[1] ** 0.5, 0.0
        else:
            continue
        p.copy_(torch.from_numpy(rng.normal(mean, std, tuple(p.shape)).astype(np.float32)))


class Taps(shared.Taps):
    def __init__(self, model):
        self.seen, self.handles = {}, []
        visual = model.model.visual
        self.before(visual.blocks[0], "vision_tower.embed")
        for i, block in enumerate(visual.blocks):
            self.after(block, f"vision_tower.block.{i}")
        self.after(visual, "connector.project")
        inner = model.model.language_model
        self.before(inner.layers[0], "language.embed")
        # DeepStack adds to the output of a layer.
        for i, follower in enumerate([*inner.layers[1:], inner.norm]):
            self.before(follower, f"language.block.{i}")

    def keep(self, name, out):
        if name == "connector.project":
            parts = [out.pooler_output, *(getattr(out, "deepstack_features", None) or [])]
            self.seen[name] = torch.cat(parts, -1)
        else:
            super().keep(name, out)


def with_types(batch):
    return dict(batch, mm_token_type_ids=(batch["input_ids"] == IMAGE_TOKEN).int()) \
        if "pixel_values" in batch else dict(batch)


def run(model, batch):
    forget_lengths(model)
    taps = Taps(model)
    inputs = with_types(batch)
    if "pixel_values" not in batch:
        positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        inputs["position_ids"] = positions[None].expand(3, -1, -1)
    try:
        out = model(**inputs, use_cache=False)
    finally:
        taps.close()
    results = dict(taps.seen, logits=out.logits)
    kept = getattr(model.config.vision_config, "deepstack_visual_indexes", [])
    blocks = {k: v for k, v in results.items() if k.startswith("vision_tower.block")}
    for i, name in enumerate(blocks):
        results[name] = torch.cat(
            [blocks[name], *(blocks[f"vision_tower.block.{k}"] for k in kept if k <= i)], -1)
    return results


def forget_lengths(model):
    model.model.rope_deltas = None


def generate(model, batch):
    forget_lengths(model)
    model.generation_config.eos_token_id = None
    ids = model.generate(**with_types(batch), max_new_tokens=shared.GENERATED,
                         min_new_tokens=shared.GENERATED, do_sample=False)
    return ids[:, -shared.GENERATED:].contiguous()


VISUAL = ["patch_embed.proj.weight", "pos_embed.weight", "blocks.0.norm1.weight",
          "blocks.0.attn.qkv.weight", "blocks.1.attn.proj.bias", "blocks.0.mlp.fc1.weight",
          "blocks.0.mlp.gate_proj.weight", "blocks.1.mlp.linear_fc2.weight", "merger.ln_q.weight",
          "merger.mlp.0.weight", "merger.norm.weight", "merger.linear_fc1.weight",
          "deepstack_merger_list.0.norm.weight", "deepstack_merger_list.0.linear_fc2.weight"]
TEXT = ["embed_tokens.weight", "layers.0.self_attn.q_proj.weight", "layers.0.self_attn.k_proj.weight",
        "layers.0.self_attn.v_proj.bias", "layers.1.mlp.down_proj.weight",
        "layers.0.input_layernorm.weight", "layers.1.self_attn.q_norm.weight", "norm.weight"]
GRADIENTS = [f"model.visual.{n}" for n in VISUAL] + [f"model.language_model.{n}" for n in TEXT]


def released_name(name):
    """Of Qwen2-VL and Qwen2.5-VL; those of Qwen3-VL are the current ones."""
    for now, then in (("model.visual.", "visual."), ("model.language_model.", "model.")):
        if name.startswith(now):
            return then + name[len(now):]
    return name


def pictures(spec):
    rng = np.random.default_rng(spec["seed"] + 200)
    side = spec["vision"]["patch_size"] * spec["vision"]["spatial_merge_size"]
    return [make_pixels(rng, 1, rows * side, columns * side)[0] for rows, columns in SIZES]


def patches(spec, chosen):
    """pixel_values and image_grid_thw of the processor, for normalized pictures."""
    vision = spec["vision"]
    patch, merge, frames = (vision[k] for k in
                            ("patch_size", "spatial_merge_size", "temporal_patch_size"))
    values, grids = [], []
    for picture in chosen:
        rows, columns = picture.shape[1] // patch, picture.shape[2] // patch
        split = picture.reshape(3, rows // merge, merge, patch, columns // merge, merge, patch)
        split = split.permute(1, 4, 2, 5, 0, 3, 6)[..., None, :, :]
        values.append(split.expand(*split.shape[:5], frames, patch, patch)
                      .reshape(rows * columns, -1))
        grids.append([1, rows, columns])
    return torch.cat(values), torch.tensor(grids)


def cases(spec, model):
    rng = np.random.default_rng(spec["seed"] + 100)
    shown = pictures(spec)

    def text(count):
        return [1] + rng.integers(4, END - 1, count - 1).tolist()

    def slots(i):
        return [START] + [IMAGE_TOKEN] * (SIZES[i][0] * SIZES[i][1]) + [END]

    def batch(rows, side, seen):
        values, grids = patches(spec, [shown[i] for i in seen])
        return dict(make_batch(rows, side), pixel_values=values, image_grid_thw=grids)

    return shared.cases_of_pictures(text, slots, batch)


def expected(spec, model, whole=shared.expected):
    out = whole(spec, model)
    for key in [k for k in out if k.endswith(("/pixel_values", "/image_grid_thw"))]:
        del out[key]
    for name, seen in (("image_right", (0, 1, 2)), ("mixed", (1, 2, 3))):
        for place, i in enumerate(seen):
            out[f"{name}/pixels.{place}"] = pictures(spec)[i]
    return out


def make_older(folder):
    """Names and config.json of released folders of Qwen2-VL."""
    tensors = load_file(folder / "model.safetensors")
    save_file({released_name(k): v for k, v in tensors.items()}, folder / "model.safetensors",
              {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    for name in ("model_type", "layer_types", "dtype"):
        text.pop(name, None)
    text.update(rope_theta=rope["rope_theta"],
                rope_scaling={"type": "mrope", "mrope_section": rope["mrope_section"]})
    config = {**text, **config}
    config["vision_config"] = {k: v for k, v in config["vision_config"].items()
                               if k not in ("rope_parameters", "dtype")}
    config["vision_config"]["model_type"] = "qwen2_vl"
    config["vision_config"]["in_chans"] = config["vision_config"].pop("in_channels", 3)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    of = transformers.Qwen2VLForConditionalGeneration
    _, report = of.from_pretrained(folder, output_loading_info=True)
    assert not any(report[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), report


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for own in (build, Taps, run, generate, cases, expected, forget_lengths):
        setattr(shared, own.__name__, own)
    shared.GRADIENTS = GRADIENTS
    args.out.mkdir(parents=True, exist_ok=True)
    for name, spec in specs().items():
        if args.only and name not in args.only:
            continue
        shared.stored_name = (lambda n: n) if spec["kind"] == "Qwen3VL" else released_name
        shared.make(args.out / name, spec)
        if spec.get("older"):
            make_older(args.out / name)


shared_randomize = shared.randomize

if __name__ == "__main__":
    main()
