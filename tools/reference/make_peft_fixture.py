#!/usr/bin/env python3
"""Writes src/exports/testdata/peft/ARCHITECTURE/: LoRA adapters, as PEFT saves them.

    python make_peft_fixture.py

For each model of src/models/testdata, PEFT injects LoRA with random factors into some layers of
every module: with a rank and an alpha of its own for one layer, and with rsLoRA for one model.
expected.safetensors has the change of each weight, as PEFT computes it, by the module's path.
"""

import json
import pathlib
import shutil

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = {
    "llama/gqa": ["model.layers.0.mlp.down_proj", "model.layers.1.self_attn.q_proj"],
    "llava/plain": ["model.language_model.layers.0.mlp.up_proj", "model.multi_modal_projector.linear_2",
                    "model.vision_tower.encoder.layers.0.mlp.fc2"],
    "blip2/plain": ["language_model.model.decoder.layers.0.fc2", "language_projection",
                    "qformer.encoder.layer.0.output_query.dense", "vision_model.encoder.layers.0.mlp.fc1"],
    "smolvlm/plain": ["model.text_model.layers.0.mlp.down_proj", "model.connector.modality_projection.proj",
                      "model.vision_model.encoder.layers.0.self_attn.out_proj"],
}


def main():
    for name, layers in LAYERS.items():
        torch.manual_seed(5)
        folder = ROOT / "src/models/testdata" / name
        kind = json.loads((folder / "config.json").read_text())["architectures"][0]
        model = getattr(transformers, kind).from_pretrained(folder)
        config = LoraConfig(r=3, lora_alpha=5, target_modules=layers, rank_pattern={layers[0]: 2},
                            alpha_pattern={layers[0]: 7}, use_rslora=name == "llama/gqa")
        adapted = get_peft_model(model, config)
        expected = {}
        for path, module in adapted.named_modules():
            if not hasattr(module, "lora_A"):
                continue
            for factors in (module.lora_A, module.lora_B):
                torch.nn.init.normal_(factors["default"].weight)
            key = path.removeprefix("base_model.model.")
            expected[key] = module.get_delta_weight("default").detach().contiguous()
        assert len(expected) == len(layers), (name, sorted(expected))
        output = ROOT / "src/exports/testdata/peft" / name.split("/")[0]
        shutil.rmtree(output, ignore_errors=True)
        adapted.save_pretrained(output)
        (output / "README.md").unlink()
        settings = json.loads((output / "adapter_config.json").read_text())
        settings["base_model_name_or_path"] = name
        (output / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        save_file(expected, output / "expected.safetensors")


main()
