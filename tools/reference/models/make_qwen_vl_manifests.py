#!/usr/bin/env python3
"""Writes the manifests of released folders of Qwen2-VL, Qwen2.5-VL and Qwen3-VL, as
make_llama_manifests.py does for other models.

    python make_qwen_vl_manifests.py OUT     # transformers 5.24

OUT is src/models/testdata/manifests. config.json is that of the released folders, without fields
that no model reads. Tensors have the names of the released folders; `-saved-again` has the names and
config.json that the current release writes.
"""

import argparse
import json
import pathlib

import torch
import transformers
from make_llama_manifests import tensors_of, write
from make_qwen_vl_fixtures import released_name

COMMON = {"attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
          "hidden_act": "silu", "initializer_range": 0.02, "rms_norm_eps": 1e-06, "use_cache": True,
          "vocab_size": 151936}
TOKENS = {"vision_start_token_id": 151652, "vision_end_token_id": 151653,
          "image_token_id": 151655, "video_token_id": 151656}
SECOND = dict(COMMON, **TOKENS, vision_token_id=151654, rope_theta=1000000.0,
              rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]},
              num_key_value_heads=2, sliding_window=32768, tie_word_embeddings=True,
              torch_dtype="bfloat16", use_sliding_window=False)

CONFIGS = {
    "qwen2-vl-2b-instruct": dict(
        SECOND, architectures=["Qwen2VLForConditionalGeneration"], model_type="qwen2_vl",
        hidden_size=1536, intermediate_size=8960, max_position_embeddings=32768,
        max_window_layers=28, num_attention_heads=12, num_hidden_layers=28,
        transformers_version="4.41.2",
        vision_config={"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16,
                       "in_chans": 3, "hidden_size": 1536, "patch_size": 14,
                       "spatial_merge_size": 2, "spatial_patch_size": 14,
                       "temporal_patch_size": 2}),
    "qwen2.5-vl-3b-instruct": dict(
        SECOND, architectures=["Qwen2_5_VLForConditionalGeneration"], model_type="qwen2_5_vl",
        hidden_size=2048, intermediate_size=11008, max_position_embeddings=128000,
        max_window_layers=70, num_attention_heads=16, num_hidden_layers=36,
        transformers_version="4.41.2",
        vision_config={"depth": 32, "hidden_act": "silu", "hidden_size": 1280,
                       "intermediate_size": 3420, "num_heads": 16, "in_chans": 3,
                       "out_hidden_size": 2048, "patch_size": 14, "spatial_merge_size": 2,
                       "spatial_patch_size": 14, "window_size": 112,
                       "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2,
                       "temporal_patch_size": 2}),
    "qwen3-vl-2b-instruct": dict(
        TOKENS, architectures=["Qwen3VLForConditionalGeneration"], model_type="qwen3_vl",
        tie_word_embeddings=True, transformers_version="4.57.0.dev0",
        text_config=dict(COMMON, attention_bias=False, dtype="bfloat16", head_dim=128,
                         hidden_size=2048, intermediate_size=6144, max_position_embeddings=262144,
                         model_type="qwen3_vl_text", num_attention_heads=16, num_hidden_layers=28,
                         num_key_value_heads=8, rope_theta=5000000, tie_word_embeddings=True,
                         rope_scaling={"mrope_interleaved": True, "mrope_section": [24, 20, 20],
                                       "rope_type": "default"}),
        vision_config={"deepstack_visual_indexes": [5, 11, 17], "depth": 24,
                       "hidden_act": "gelu_pytorch_tanh", "hidden_size": 1024, "in_channels": 3,
                       "initializer_range": 0.02, "intermediate_size": 4096,
                       "model_type": "qwen3_vl", "num_heads": 16, "num_position_embeddings": 2304,
                       "out_hidden_size": 2048, "patch_size": 16, "spatial_merge_size": 2,
                       "temporal_patch_size": 2}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    for name, config in CONFIGS.items():
        of = getattr(transformers, config["architectures"][0])
        parsed = of.config_class.from_dict(json.loads(json.dumps(config)))
        with torch.device("meta"):
            model = of(parsed)
        rename = (lambda n: n) if config["model_type"] == "qwen3_vl" else released_name
        write(args.out / f"{name}.json", config, tensors_of(model, rename), "BF16")
        saved = json.loads(parsed.to_json_string(use_diff=True))
        write(args.out / f"{name}-saved-again.json", saved, tensors_of(model, lambda n: n), "BF16")


if __name__ == "__main__":
    main()
