#!/usr/bin/env python3
"""Writes src/io/testdata/dtypes.safetensors with the safetensors library: element i is i - 2.

Needs: torch, safetensors.
"""

import os

import torch
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "io", "testdata")


def main():
    tensors = {
        str(dtype).split(".")[1]: (torch.arange(6) - 2).reshape(2, 3).to(dtype)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64,
                      torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
                      torch.complex64)
    }
    tensors["uint16"] = torch.arange(6).to(torch.uint16)
    tensors["float8"] = torch.arange(6).to(torch.float8_e4m3fn)
    tensors["scalar"] = torch.tensor(1.5)
    tensors["empty"] = torch.zeros(3, 0, 2)
    tensors["name with \u00e9 and \U0001f642"] = torch.tensor([7], dtype=torch.int32)
    save_file(tensors, os.path.join(OUT, "dtypes.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
