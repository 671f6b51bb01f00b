#!/usr/bin/env python3
"""Writes the manifests of released folders of LLaVA 1.5, SmolVLM and Llama models, as
make_manifests.py does for BLIP-2.

    python make_llama_manifests.py OUT     # transformers 5.23

OUT is src/models/testdata/manifests. config.json is that of the released folders. Tensors are those
of the model that transformers creates from it on the meta device. LLaVA's names are those of the
released folders, which releases since 4.36 wrote; `-saved-again` has the names that the current
release writes.
"""

import argparse
import json
import pathlib

import torch
from make_llama_fixtures import stored_name
from make_manifests import write_manifest
from transformers import (Idefics3Config, Idefics3ForConditionalGeneration, LlamaConfig,
                          LlamaForCausalLM, LlavaConfig, LlavaForConditionalGeneration,
                          SmolVLMConfig, SmolVLMForConditionalGeneration)

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
         "initializer_range": 0.02, "use_cache": True, "pretraining_tp": 1, "rope_scaling": None}
SMOL = dict(LLAMA, attention_bias=False, attention_dropout=0.0, bos_token_id=0, eos_token_id=0,
            is_llama_config=True, max_position_embeddings=8192, mlp_bias=False, rms_norm_eps=1e-05,
            rope_interleaved=False, rope_theta=100000, tie_word_embeddings=True,
            torch_dtype="bfloat16", vocab_size=49152)

TEXT = {
    "smollm2-135m": (dict(SMOL, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
                          num_attention_heads=9, num_key_value_heads=3,
                          initializer_range=0.041666666666666664), "BF16"),
    "smollm2-360m": (dict(SMOL, hidden_size=960, intermediate_size=2560, num_hidden_layers=32,
                          num_attention_heads=15, num_key_value_heads=5), "BF16"),
    "tinyllama-1.1b-chat": (dict(LLAMA, attention_bias=False, bos_token_id=1, eos_token_id=2,
                                 hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
                                 num_attention_heads=32, num_key_value_heads=4,
                                 max_position_embeddings=2048, rms_norm_eps=1e-05,
                                 rope_theta=10000.0, tie_word_embeddings=False, vocab_size=32000,
                                 torch_dtype="bfloat16"), "BF16"),
    "vicuna-7b": (dict(LLAMA, bos_token_id=1, eos_token_id=2, hidden_size=4096,
                       intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
                       num_key_value_heads=32, max_position_embeddings=4096, pad_token_id=0,
                       rms_norm_eps=1e-05, tie_word_embeddings=False, vocab_size=32000,
                       torch_dtype="float16"), "F16"),
}


def llava(text):
    """config.json of llava-hf/llava-1.5-*-hf; values that equal the default are omitted."""
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "ignore_index": -100,
        "image_token_index": 32000,
        "model_type": "llava",
        "pad_token_id": 32001,
        "projector_hidden_act": "gelu",
        "text_config": dict(text, architectures=["LlamaForCausalLM"], max_position_embeddings=4096,
                            model_type="llama", rms_norm_eps=1e-05, torch_dtype="float16",
                            vocab_size=32064),
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.36.0.dev0",
        "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                          "model_type": "clip_vision_model", "num_attention_heads": 16,
                          "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
                          "vocab_size": 32000},
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "vocab_size": 32064,
    }


LLAVA = {
    "llava-1.5-7b": llava({"_name_or_path": "lmsys/vicuna-7b-v1.5"}),
    "llava-1.5-13b": llava({"_name_or_path": "lmsys/vicuna-13b-v1.5", "hidden_size": 5120,
                            "intermediate_size": 13824, "num_attention_heads": 40,
                            "num_hidden_layers": 40, "num_key_value_heads": 40}),
}


def smolvlm(architecture, model_type, dtype, text):
    """config.json of HuggingFaceTB's SmolVLM, without fields that no model reads."""
    return {
        "architectures": [architecture],
        "image_token_id": 49190,
        "model_type": model_type,
        "scale_factor": 4,
        "text_config": dict(text, architectures=["VLlama3ForCausalLM"], head_dim=64,
                            is_llama_config=True, max_position_embeddings=8192, model_type="llama",
                            neftune_noise_alpha=0.0, pad_token_id=2, pixel_shuffle_factor=4,
                            qk_layer_norms=False, rms_norm_eps=1e-05, rope_interleaved=False,
                            rope_theta=100000, torch_dtype="bfloat16", use_resampler=False,
                            vocab_size=49280),
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "use_cache": False,
        "vision_config": {"hidden_size": 768, "image_size": 512,
                          "max_image_size": {"longest_edge": 512},
                          "model_type": model_type + "_vision", "num_attention_heads": 12,
                          "patch_size": 16, "size": {"longest_edge": 2048},
                          "tie_word_embeddings": False, "use_base_siglip": False},
        "vocab_size": 49280,
    }


SMOLVLM = {
    "smolvlm-256m-instruct": (smolvlm(
        "Idefics3ForConditionalGeneration", "idefics3", "bfloat16",
        dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
             num_attention_heads=9, num_key_value_heads=3)),
        Idefics3Config, Idefics3ForConditionalGeneration, "BF16"),
    "smolvlm2-500m-video-instruct": (smolvlm(
        "SmolVLMForConditionalGeneration", "smolvlm", "float32",
        dict(hidden_size=960, intermediate_size=2560, num_hidden_layers=32,
             num_attention_heads=15, num_key_value_heads=5)),
        SmolVLMConfig, SmolVLMForConditionalGeneration, "F32"),
}


def tensors_of(model, rename):
    state = model.state_dict()
    if model.config.tie_word_embeddings:
        del state["lm_head.weight"]
    return {rename(name): list(tensor.shape) for name, tensor in state.items()}


def released_name(name):
    return "language_model.lm_head.weight" if name == "lm_head.weight" else stored_name(name)


def name_saved_again(name):
    return released_name(name).replace("vision_tower.vision_model.", "vision_tower.")


def write(path, config, tensors, dtype):
    count = sum(torch.Size(shape).numel() for shape in tensors.values())
    write_manifest(path, config, tensors, dtype, count)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    for name, (config, dtype) in TEXT.items():
        with torch.device("meta"):
            model = LlamaForCausalLM(LlamaConfig.from_dict(config))
        write(args.out / f"{name}.json", config, tensors_of(model, lambda n: n), dtype)
    for name, config in LLAVA.items():
        parsed = LlavaConfig.from_dict(config)
        with torch.device("meta"):
            model = LlavaForConditionalGeneration(parsed)
        write(args.out / f"{name}.json", config, tensors_of(model, released_name), "F16")
        saved = json.loads(parsed.to_json_string(use_diff=True))
        write(args.out / f"{name}-saved-again.json", saved, tensors_of(model, name_saved_again),
              "BF16")
    for name, (config, kind, architecture, dtype) in SMOLVLM.items():
        with torch.device("meta"):
            model = architecture(kind.from_dict(config))
        write(args.out / f"{name}.json", config, tensors_of(model, lambda n: n), dtype)


if __name__ == "__main__":
    main()
