#!/usr/bin/env python3
"""Writes src/io/testdata/torch/: a checkpoint in both layouts of torch.save, its tensors as
safetensors, and a file that would run a program when Python loads it.

Needs: torch, safetensors, numpy.
"""

import argparse
import collections
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "src" / "io" / "testdata" / "torch"


class Hostile:
    def __reduce__(self):
        import os
        return os.system, ("touch hostile",)


def tensors():
    dtypes = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
              torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64)
    out = collections.OrderedDict(
        (str(dtype).split(".")[1], (torch.arange(6) - 2).reshape(2, 3).to(dtype)) for dtype in dtypes)
    shared = torch.arange(24, dtype=torch.float32)
    out["shared.whole"] = shared.view(4, 6)
    out["shared.part"] = shared[6:18].view(3, 4)
    out["shared.turned"] = shared.view(4, 6).t()
    out["shared.stepped"] = shared.view(2, 3, 4)[:, ::2, 1::2]
    out["scalar"] = torch.tensor(1.5)
    out["empty"] = torch.zeros(3, 0, 2)
    out["one"] = torch.ones(1, 1, 1).expand(1, 1, 1)
    out["parameter"] = torch.nn.Parameter(torch.tensor([0.5, -0.5]))
    out["name with \u00e9 and \U0001f642"] = torch.tensor([7], dtype=torch.int32)
    return out


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    state = tensors()
    state._metadata = collections.OrderedDict({"": {"version": 1}})  # as in the state_dict of a module
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    saved = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "config": {"run": {"lr_sched": "linear", "amp": True, "max_epoch": 10, "seed": 42}},
        "scaler": None,
        "epoch": 3,
        "args": argparse.Namespace(lr=np.float64(0.5), out=pathlib.PosixPath("out")),
        "large": 1 << 70,
        "dtype": torch.float16,
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
    }
    torch.save(saved, OUT / "zip.pth")
    torch.save(saved, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(saved, OUT / "protocol4.pth", pickle_protocol=4)
    save_file({k: v.detach().clone().contiguous() for k, v in state.items()},
              OUT / "expected.safetensors")
    torch.save({"model": {"weight": torch.ones(2)}, "hook": Hostile()}, OUT / "hostile.pth")


if __name__ == "__main__":
    main()
