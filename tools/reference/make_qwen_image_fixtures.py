#!/usr/bin/env python3
"""Writes the results of transformers' Qwen2-VL image processor (PIL backend) to src/io/testdata.

    python make_qwen_image_fixtures.py       # transformers 5.24

smart_resize.json has the sizes of many pictures, for settings of released and of small models.
smart_resize.safetensors has some of the pictures and their pixel values: `N/picture` (H, W, 3) and
`N/pixels` (3, H', W'), from before they are divided into patches, for the N-th setting in
`pictures`.
"""

import json

import numpy as np
from make_image_fixtures import OUT, scene
from safetensors.numpy import save_file
from transformers import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

SIZES = [(640, 480), (480, 640), (1, 1), (1, 200), (200, 1), (13, 15), (14, 14), (42, 70), (55, 57),
         (1000, 1000), (3000, 4000), (4096, 4096), (5000, 30), (29, 5771), (777, 333), (28, 5600),
         (1344, 336), (224, 224), (100, 19999), (8000, 6000), (41, 43)]
RELEASED = [dict(factor=28, min_pixels=56 * 56, max_pixels=28 * 28 * 1280),
            dict(factor=28, min_pixels=3136, max_pixels=12845056),
            dict(factor=32, min_pixels=65536, max_pixels=16777216),
            dict(factor=8, min_pixels=64, max_pixels=1024),
            dict(factor=12, min_pixels=100, max_pixels=150)]
PICTURES = [
    ((37, 29), dict(image_processor_type="Qwen2VLImageProcessor", patch_size=4, merge_size=2,
                    temporal_patch_size=2, min_pixels=64, max_pixels=1024)),
    ((5, 90), dict(image_processor_type="Qwen2VLImageProcessorFast", patch_size=3, merge_size=2,
                   temporal_patch_size=1, size=dict(shortest_edge=100, longest_edge=800),
                   image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], resample=2)),
    ((7, 5), dict(image_processor_type="Qwen2VLImageProcessor", patch_size=2, merge_size=3,
                  size=dict(min_pixels=300, max_pixels=900), do_normalize=False)),
]


def whole(values, grid, patch, merge, frames):
    """The picture (3, H, W) of flattened patches."""
    _, rows, columns = grid
    split = values.reshape(rows // merge, columns // merge, merge, merge, 3, frames, patch, patch)
    assert (split[:, :, :, :, :, :1] == split).all()
    return split[:, :, :, :, :, 0].transpose(4, 0, 2, 5, 1, 3, 6).reshape(
        3, rows * patch, columns * patch)


def main():
    sizes = []
    for limits in RELEASED:
        for width, height in SIZES:
            if max(width, height) / min(width, height) > 200:
                continue
            new_height, new_width = smart_resize(height, width, **limits)
            sizes.append(dict(limits, width=width, height=height, new_width=new_width,
                              new_height=new_height))
    tensors, settings = {}, []
    for i, ((width, height), config) in enumerate(PICTURES):
        own = {k: v for k, v in config.items() if k != "image_processor_type"}
        if "min_pixels" in own.get("size", {}):  # the names of older files
            size = own.pop("size")
            own["size"] = dict(shortest_edge=size["min_pixels"], longest_edge=size["max_pixels"])
        processor = Qwen2VLImageProcessorPil(**own)
        picture = scene(width, height, 30 + i)
        made = processor(picture, return_tensors="np")
        tensors[f"{i}/picture"] = picture
        tensors[f"{i}/pixels"] = np.ascontiguousarray(
            whole(made["pixel_values"], made["image_grid_thw"][0], processor.patch_size,
                  processor.merge_size, processor.temporal_patch_size).astype(np.float32))
        settings.append(config)
    with open(f"{OUT}/smart_resize.json", "w") as file:
        lines = ",\n  ".join(json.dumps(line) for line in sizes)
        file.write('{"sizes": [\n  %s],\n "pictures": %s}\n' % (lines, json.dumps(settings)))
    save_file(tensors, f"{OUT}/smart_resize.safetensors")


if __name__ == "__main__":
    main()
