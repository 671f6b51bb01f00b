#!/usr/bin/env python3
"""Writes small random LLaVA-NeXT and LLaVA-OneVision folders with the results of transformers.

    python make_llava_anyres_fixtures.py OUT      # transformers 5.24

OUT is src/models/testdata/llava_anyres. The folders have the layout of make_llama_fixtures.py, but
the pictures have different numbers of tiles: CASE/pixels.N is the N-th picture as one vector, its
original height and width, then the pixels of the whole picture and its tiles. Stages before the
language model have the tiles of all pictures, one after another. image_processor.* has the results
of the image processors (PIL backend). Parts that differ from LLaVA are replaced here.
"""

import argparse
import json
import pathlib
import sys

import make_llama_fixtures as shared
import numpy as np
import torch
from make_blip2_fixtures import make_batch, make_pixels
from safetensors.torch import save_file
from transformers import (CLIPVisionConfig, LlamaConfig, LlavaNextConfig,
                          LlavaNextForConditionalGeneration, LlavaNextImageProcessorPil,
                          LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration,
                          LlavaOnevisionImageProcessorPil, MistralConfig, Qwen2Config,
                          SiglipVisionConfig)
from transformers.models.llava_next.modeling_llava_next import get_anyres_image_grid_shape

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from make_image_fixtures import scene  # noqa: E402

IMAGE_TOKEN = shared.IMAGE_TOKEN


def specs():
    text = dict(vocab_size=shared.VOCABULARY, hidden_size=16, intermediate_size=18,
                num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=400,
                bos_token_id=1, eos_token_id=2)
    clip = dict(hidden_size=12, intermediate_size=18, num_hidden_layers=3, num_attention_heads=3,
                image_size=15, patch_size=5)
    siglip = dict(hidden_size=12, intermediate_size=18, num_hidden_layers=2, num_attention_heads=3,
                  image_size=17, patch_size=4, vision_use_head=False)

    def grid(side, pairs):
        return [[side * rows, side * columns] for rows, columns in pairs]

    return {
        # Like LLaVA-1.6 with Mistral.
        "next": dict(
            kind=(LlavaNextConfig, LlavaNextForConditionalGeneration), tower=CLIPVisionConfig,
            vision=clip, decoder=MistralConfig, text=dict(text, num_key_value_heads=1, head_dim=8),
            rest=dict(image_grid_pinpoints=grid(15, ((1, 2), (2, 1), (2, 2), (3, 1)))),
            sizes=((40, 20), (13, 29), (31, 33), (9, 50)), seed=51),
        # Several feature layers, no biases in the projector, Llama.
        "next_layers": dict(
            kind=(LlavaNextConfig, LlavaNextForConditionalGeneration), tower=CLIPVisionConfig,
            vision=dict(clip, image_size=11, patch_size=5), decoder=LlamaConfig, text=text,
            rest=dict(vision_feature_layer=[-2, 1, -1], multimodal_projector_bias=False,
                      image_grid_pinpoints=grid(11, ((1, 1), (1, 3), (2, 2)))),
            sizes=((7, 7), (10, 31), (30, 29), (64, 30)), seed=54),
        # Like LLaVA-OneVision: SigLIP, Qwen2, a grid that is reduced for many tiles.
        "onevision": dict(
            kind=(LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration),
            tower=SiglipVisionConfig, vision=siglip, decoder=Qwen2Config,
            text=dict(text, num_attention_heads=4, num_key_value_heads=2,
                      tie_word_embeddings=True),
            rest=dict(vision_aspect_ratio="anyres_max_2", video_token_index=41,
                      image_grid_pinpoints=grid(17, ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3)))),
            sizes=((17, 17), (15, 60), (33, 40), (40, 50)), seed=53),
    }


def build(spec):
    config_kind, architecture = spec["kind"]
    config = config_kind(vision_config=spec["tower"](**spec["vision"]),
                         text_config=spec["decoder"](**spec["text"]),
                         image_token_index=IMAGE_TOKEN, **spec["rest"])
    model = architecture._from_config(config, attn_implementation="eager")
    shared.randomize(model.eval(), spec["seed"])
    with torch.no_grad():
        rng = np.random.default_rng(spec["seed"] + 9)
        newline = model.model.image_newline
        newline.copy_(torch.from_numpy(rng.normal(0, 0.5, tuple(newline.shape)).astype(np.float32)))
    return model


class Taps(shared.Taps):
    def __init__(self, model):
        super().__init__(model)
        self.handles[-len(shared.language(model).layers) - 2].remove()  # that of the projector
        pack = type(model.model).pack_image_features.__get__(model.model)

        def packed(*args, **options):
            features, lengths = pack(*args, **options)
            self.seen["connector.project"] = torch.cat(list(features))
            return features, lengths

        model.model.pack_image_features = packed


def run(model, batch, whole=shared.run):
    batch = dict(batch)
    results = whole(model, batch)
    for name in list(results):
        if name.startswith("vision_tower."):
            results[name] = results[name].flatten(0, 1)
    return results


GRADIENTS = shared.GRADIENTS + ["model.image_newline"]


def pictures(spec):
    """The tiles of each picture, (K, 3, S, S)."""
    rng = np.random.default_rng(spec["seed"] + 200)
    side = spec["vision"]["image_size"]
    out = []
    for size in spec["sizes"]:
        rows, columns = get_anyres_image_grid_shape(size, spec["rest"]["image_grid_pinpoints"], side)
        out.append(make_pixels(rng, 1 + rows * columns, side, side))
    return out


def token_counts(spec, model, memory={}):
    key = json.dumps([spec["sizes"], spec["seed"]])
    if key not in memory:
        memory[key] = []
        for tiles, size in zip(pictures(spec), spec["sizes"]):
            with torch.no_grad():
                features = model.model.get_image_features(tiles[None], torch.tensor([size]))
            memory[key].append(features.pooler_output[0].shape[0])
    return memory[key]


def cases(spec, model):
    rng = np.random.default_rng(spec["seed"] + 100)
    shown = pictures(spec)
    counts = token_counts(spec, model)

    def text(count):
        return [1] + rng.integers(4, IMAGE_TOKEN - 2, count - 1).tolist()

    def slots(i):
        return [IMAGE_TOKEN] * counts[i]

    def batch(rows, side, seen):
        most = max(len(shown[i]) for i in seen)
        pixels = torch.zeros(len(seen), most, *shown[0].shape[1:])
        for place, i in enumerate(seen):
            pixels[place, :len(shown[i])] = shown[i]
        return dict(make_batch(rows, side), pixel_values=pixels,
                    image_sizes=torch.tensor([spec["sizes"][i] for i in seen]))

    return shared.cases_of_pictures(text, slots, batch)


def expected(spec, model, whole=shared.expected):
    out = whole(spec, model)
    for key in [k for k in out if k.endswith(("/pixel_values", "/image_sizes"))]:
        del out[key]
    for name, seen in (("image_right", (0, 1, 2)), ("mixed", (1, 2, 3))):
        for place, i in enumerate(seen):
            out[f"{name}/pixels.{place}"] = torch.cat(
                [torch.tensor(spec["sizes"][i]).float(), pictures(spec)[i].flatten()])
    return out


def make_processors(folder):
    settings = [
        dict(image_processor_type="LlavaNextImageProcessor", size={"shortest_edge": 12},
             crop_size={"height": 12, "width": 12}, do_center_crop=True,
             image_grid_pinpoints=[[12, 24], [24, 12], [24, 24], [36, 12]]),
        dict(image_processor_type="LlavaOnevisionImageProcessorFast", size={"height": 9, "width": 9},
             image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5],
             image_grid_pinpoints=[[9 * r, 9 * c] for r in range(1, 4) for c in range(1, 4)])]
    tensors = {}
    for i, config in enumerate(settings):
        own = {k: v for k, v in config.items() if k != "image_processor_type"}
        kind = LlavaOnevisionImageProcessorPil if i else LlavaNextImageProcessorPil
        for j, (width, height) in enumerate(((30, 20), (11, 37), (8, 8), (61, 9))):
            picture = scene(width, height, 40 + j)
            tensors[f"picture.{j}"] = torch.from_numpy(picture)
            made = kind(**own)(picture, return_tensors="pt")
            tiles = made["pixel_values"][0].float()
            tensors[f"{i}.{j}"] = torch.cat([torch.tensor([height, width]).float(), tiles.flatten()])
    (folder / "image_processor.json").write_text(json.dumps(settings, indent=1) + "\n")
    save_file(tensors, folder / "image_processor.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for own in (build, Taps, run, cases, expected):
        setattr(shared, own.__name__, own)
    shared.GRADIENTS = GRADIENTS
    args.out.mkdir(parents=True, exist_ok=True)
    make_processors(args.out)
    name_of = shared.stored_name
    shared.stored_name = lambda n: "image_newline" if n == "model.image_newline" else name_of(n)
    for name, spec in specs().items():
        shared.make(args.out / name, spec)


if __name__ == "__main__":
    main()
