"""Converts ResNet-50 of tfjs (Keras layers) to the tensors of ResNetLlama's vision tower.

Batch norms are folded into the convolutions before them: w' = w * gamma / sqrt(variance + eps) and
b' = (b - mean) * gamma / sqrt(variance + eps) + beta, with the eps of each layer in model.json.
Weights become channels-last: (out, in) of 1 x 1 convolutions, (out, height, width, in) of the others.
"""

import json

import numpy

MEANS_BGR = [103.939, 116.779, 123.68]  # of ImageNet, as in keras.applications, mode `caffe`
STAGES = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}
BRANCHES = {"branch2a": "layer.0", "branch2b": "layer.1", "branch2c": "layer.2", "branch1": "shortcut"}


def read_weights(model, data):
    """The tensors of the manifest, by their Keras names."""
    weights, offset = {}, 0
    for group in model["weightsManifest"]:
        for entry in group["weights"]:
            if entry["dtype"] != "float32" or "quantization" in entry:
                raise ValueError(f"{entry['name']} is not stored in float32")
            count = int(numpy.prod(entry["shape"]))
            weights[entry["name"]] = numpy.frombuffer(data, "<f4", count, offset).reshape(entry["shape"])
            offset += 4 * count
    if offset != len(data):
        raise ValueError(f"the shards have {len(data)} bytes, but model.json lists {offset}")
    return weights


def convolutions():
    """(Keras convolution, Keras batch norm, our name, stride) of every convolution."""
    yield "conv1", "bn_conv1", "embedder.embedder.convolution", 2
    for stage, blocks in STAGES.items():
        for i, block in enumerate(blocks):
            for branch, name in BRANCHES.items():
                if branch == "branch1" and i > 0:
                    continue
                stride = 2 if stage > 2 and i == 0 and branch in ("branch1", "branch2a") else 1
                yield (f"res{stage}{block}_{branch}", f"bn{stage}{block}_{branch}",
                       f"encoder.stages.{stage - 2}.layers.{i}.{name}.convolution", stride)


def fold(weights, layers, convolution, norm):
    kernel = weights[f"{convolution}/kernel"].astype(numpy.float64)  # (height, width, in, out)
    scale = weights[f"{norm}/gamma"] / numpy.sqrt(
        weights[f"{norm}/moving_variance"].astype(numpy.float64) + layers[norm]["epsilon"])
    bias = (weights[f"{convolution}/bias"] - weights[f"{norm}/moving_mean"].astype(numpy.float64)) * scale
    kernel = (kernel * scale).transpose(3, 0, 1, 2)
    if kernel.shape[1:3] == (1, 1):
        kernel = kernel[:, 0, 0]
    return kernel, bias + weights[f"{norm}/beta"]


def convert(topology, data, prefix="vision_tower."):
    """The tensors as float32 arrays, by their names in the model folder."""
    model = json.loads(topology)
    layers = {layer["name"]: layer["config"]
              for layer in model["modelTopology"]["model_config"]["config"]["layers"]}
    weights = read_weights(model, data)
    tensors = {}
    for convolution, norm, name, stride in convolutions():
        if layers[convolution]["strides"] != [stride, stride]:
            raise ValueError(f"{convolution} has strides {layers[convolution]['strides']}, not {stride}")
        kernel, bias = fold(weights, layers, convolution, norm)
        tensors[f"{prefix}{name}.weight"] = numpy.ascontiguousarray(kernel, numpy.float32)
        tensors[f"{prefix}{name}.bias"] = bias.astype(numpy.float32)
    used = {part for convolution, norm, _, _ in convolutions() for part in (convolution, norm)}
    left = {name.split("/")[0] for name in weights} - used - {"fc1000"}
    if left:
        raise ValueError(f"layers without a place in the tower: {', '.join(sorted(left))}")
    return tensors


VISION_CONFIG = {"model_type": "resnet", "layer_type": "bottleneck", "downsample_in_bottleneck": True,
                 "downsample_in_first_stage": False, "embedding_size": 64,
                 "hidden_sizes": [256, 512, 1024, 2048], "depths": [3, 4, 6, 3], "hidden_act": "relu",
                 "num_channels": 3, "image_size": 224}
PREPROCESSOR = {"image_processor_type": "ResNetLlamaImageProcessor", "do_resize": True,
                "size": {"height": 224, "width": 224}, "resample": 2, "do_flip_channel_order": True,
                "do_rescale": False, "do_normalize": True, "image_mean": MEANS_BGR,
                "image_std": [1.0, 1.0, 1.0]}
