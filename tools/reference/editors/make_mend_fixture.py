#!/usr/bin/env python3
"""Writes MEND's deltas for given gradients and networks, for
src/editing/editors/hyper/mend_network_test.cpp.

    python make_mend_fixture.py OUT     # OUT is src/editing/testdata/mend.safetensors

Implements the formulas of Mitchell et al. (arXiv 2110.11309) and MMEdit (arXiv 2310.08475) in
double precision and token by token (emend works in batches):

    z = [(u - mean) / (deviation + 1e-7); (v - mean) / (deviation + 1e-7)]
    z = z + max((U V z + b) * scale_site + shift_site, 0)       twice
    [u'; v'] = z,   delta W = rate_site * sum over tokens of v' u'^T

Means and deviations are computed by Welford's algorithm, over all tokens of two batches whose u and
v are both nonzero. Layers of the same shape share a network. The fixture also has the gradients of
sum(delta * probe) with respect to the networks.
"""

import sys

import torch
from safetensors.torch import save_file

SITES = [("a", 5, 7), ("b", 5, 7), ("c", 7, 5)]  # name, in, out
ROWS, TOKENS, RANK = 2, 6, 3


def factors(generator):
    """(u, v) of each site; for some tokens, one of them is zero."""
    made = {}
    for name, width_in, width_out in SITES:
        u = torch.randn(ROWS, TOKENS, width_in, generator=generator, dtype=torch.float32) + 0.3
        v = torch.randn(ROWS, TOKENS, width_out, generator=generator, dtype=torch.float32) * 0.02
        u[0, 0] = 0
        v[0, 1] = 0
        v[1, 4:] = 0
        made[name] = (u, v)
    return made


class Running:
    """Welford's mean and standard deviation of vectors."""

    def __init__(self, width):
        self.count, self.mean, self.moved = 0, torch.zeros(width).double(), torch.zeros(width).double()

    def add(self, x):
        self.count += 1
        off = x - self.mean
        self.mean = self.mean + off / self.count
        self.moved = self.moved + off * (x - self.mean)

    def normalized(self, x):
        return (x - self.mean) / ((self.moved / (self.count - 1)).sqrt() + 1e-7)


def tokens(u, v):
    for row in range(ROWS):
        for t in range(TOKENS):
            if u[row, t].any() and v[row, t].any():
                yield row, torch.cat([u[row, t], v[row, t]]).double()


def network(generator, width, modes):
    made = []
    for _ in range(2):
        made.append(dict(
            u=torch.randn(width, RANK, generator=generator) * 0.3,
            v=torch.randn(RANK, width, generator=generator),
            bias=torch.randn(width, generator=generator) * 0.2,
            scale=1 + torch.randn(modes, width, generator=generator) * 0.3,
            shift=torch.randn(modes, width, generator=generator) * 0.2))
    return made


def main():
    generator = torch.Generator().manual_seed(7)
    seen = [factors(generator), factors(generator)]
    edit = factors(generator)
    rates = torch.tensor([0.01, -0.02, 0.005]).requires_grad_()
    out = {"rates": rates}
    for which, batch in enumerate(seen + [edit]):
        for name, (u, v) in batch.items():
            out[f"batch.{which}.{name}.u"] = u
            out[f"batch.{which}.{name}.v"] = v

    shapes = {}
    for i, (name, width_in, width_out) in enumerate(SITES):
        shapes.setdefault((width_out, width_in), []).append((i, name))
    total = 0
    for (width_out, width_in), sites in shapes.items():
        width, prefix = width_in + width_out, f"{width_out}x{width_in}."
        layers = network(generator, width, len(sites))
        for i, layer in enumerate(layers):
            for key, tensor in layer.items():
                out[f"{prefix}layer.{i}.{key}"] = tensor.requires_grad_()
        running = Running(width)
        for batch in seen:
            for _, name in sites:
                for _, z in tokens(*batch[name]):
                    running.add(z)
        out[f"{prefix}mean"], out[f"{prefix}moved"] = running.mean, running.moved
        out[f"{prefix}count"] = torch.tensor(float(running.count))
        for mode, (i, name) in enumerate(sites):
            delta = torch.zeros(ROWS, width_out, width_in).double()
            for row, z in tokens(*edit[name]):
                z = running.normalized(z)
                for layer in layers:
                    step = layer["u"].double() @ (layer["v"].double() @ z) + layer["bias"].double()
                    step = step * layer["scale"][mode].double() + layer["shift"][mode].double()
                    z = z + step.clamp_min(0)
                one = torch.outer(z[width_in:], z[:width_in]) * rates[i].double()
                delta = delta + torch.nn.functional.one_hot(
                    torch.tensor(row), ROWS).view(ROWS, 1, 1) * one
            probe = torch.randn(ROWS, width_out, width_in, generator=generator)
            out[f"delta.{name}"], out[f"probe.{name}"] = delta, probe
            total = total + (delta * probe).sum()
    total.backward()
    for name, tensor in list(out.items()):
        if tensor.is_leaf and tensor.requires_grad:
            out[f"gradient.{name}"] = tensor.grad
    save_file({k: v.detach().float().contiguous().clone() for k, v in out.items()}, sys.argv[1])


if __name__ == "__main__":
    main()
