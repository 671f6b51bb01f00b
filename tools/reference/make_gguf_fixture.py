#!/usr/bin/env python3
"""Writes src/exports/testdata/gguf/q8_0.safetensors: values and their Q8_0 blocks.

    python make_gguf_fixture.py

The package `gguf` quantizes rows with usual weights, halves between two quants, zeros, large and
small scales, and single large values. The reader's values are in `restored`.
"""

import pathlib

import gguf
import numpy as np
from safetensors.numpy import save_file

OUTPUT = pathlib.Path(__file__).resolve().parents[2] / "src/exports/testdata/gguf"


def main():
    random = np.random.default_rng(11)
    rows = random.standard_normal((12, 96)).astype(np.float32)
    rows[1] *= 1e-3
    rows[2] *= 1e4
    rows[3] *= 1e-7  # scales that are subnormal in float16
    rows[4] = 0
    rows[5, 32:64] = 0
    rows[6] = np.arange(96) % 32 / 2  # with 63.5 below: multiples of half a quant
    rows[6, ::32] = 63.5
    rows[7] = -rows[6]
    rows[8, 7] = 900
    rows[9] = np.round(rows[9])
    rows[10] *= np.repeat(np.float32([1, -3, 0.01]), 32)
    kind = gguf.GGMLQuantizationType.Q8_0
    blocks = gguf.quants.quantize(rows, kind)
    restored = gguf.quants.dequantize(blocks, kind)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    save_file({"values": rows, "blocks": blocks, "restored": restored}, OUTPUT / "q8_0.safetensors")


main()
