#!/usr/bin/env python3
"""Writes the manifests of released folders of LLaVA-NeXT and LLaVA-OneVision, as
make_llama_manifests.py does for LLaVA 1.5.

    python make_llava_anyres_manifests.py OUT     # transformers 5.24

OUT is src/models/testdata/manifests. config.json is that of the released folders, without fields
that no model reads.
"""

import argparse
import json
import pathlib

import torch
import transformers
from make_llama_fixtures import stored_name
from make_llama_manifests import tensors_of, write

CONFIGS = {
    "llava-v1.6-mistral-7b": (dict(
        architectures=["LlavaNextForConditionalGeneration"], model_type="llava_next",
        ignore_index=-100, image_token_index=32000, projector_hidden_act="gelu",
        image_grid_pinpoints=[[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
        tie_word_embeddings=False, use_image_newline_parameter=True,
        vision_feature_layer=-2, vision_feature_select_strategy="default",
        text_config={"architectures": ["MistralForCausalLM"], "intermediate_size": 14336,
                     "max_position_embeddings": 32768, "model_type": "mistral",
                     "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
                     "sliding_window": None, "vocab_size": 32064},
        vision_config={"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                       "model_type": "clip_vision_model", "num_attention_heads": 16,
                       "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
                       "vocab_size": 32000}), "F16"),
    "llava-onevision-qwen2-0.5b": (dict(
        architectures=["LlavaOnevisionForConditionalGeneration"], model_type="llava_onevision",
        image_grid_pinpoints=[[384 * r, 384 * c] for r in range(1, 7) for c in range(1, 7)],
        image_token_index=151646, video_token_index=151647, projector_hidden_act="gelu",
        tie_word_embeddings=False, use_image_newline_parameter=True,
        vision_aspect_ratio="anyres_max_9", vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        text_config={"architectures": ["Qwen2ForCausalLM"], "bos_token_id": 151643,
                     "eos_token_id": 151645, "hidden_size": 896, "intermediate_size": 4864,
                     "max_position_embeddings": 32768, "max_window_layers": 24,
                     "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
                     "num_key_value_heads": 2, "rope_theta": 1000000.0,
                     "tie_word_embeddings": True, "use_sliding_window": False,
                     "vocab_size": 152000},
        vision_config={"hidden_size": 1152, "image_size": 384, "intermediate_size": 4304,
                       "model_type": "siglip_vision_model", "num_attention_heads": 16,
                       "num_hidden_layers": 26, "patch_size": 14, "vision_use_head": False}),
        "F16"),
}


def released_name(name):
    if name == "model.image_newline":
        return "image_newline"
    return "language_model.lm_head.weight" if name == "lm_head.weight" else stored_name(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    for name, (config, dtype) in CONFIGS.items():
        of = getattr(transformers, config["architectures"][0])
        parsed = of.config_class.from_dict(json.loads(json.dumps(config)))
        with torch.device("meta"):
            model = of(parsed)
        write(args.out / f"{name}.json", config, tensors_of(model, released_name), dtype)


if __name__ == "__main__":
    main()
