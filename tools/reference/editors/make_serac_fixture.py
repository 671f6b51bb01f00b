#!/usr/bin/env python3
"""Writes SERAC's scores and mixtures, for src/editing/editors/serac/scope_test.cpp.

    python make_serac_fixture.py OUT     # OUT is src/editing/testdata/serac.safetensors

Implements the formulas of Mitchell et al. (arXiv 2206.06520) in double precision, one question at a
time, with probabilities (emend uses logarithms):

    s = exp(-|f(a) - f(b)|^2),  f = [t(norm(text)); has_image * p(P norm(picture))]
    t, p = W2 gelu(W1 gelu(W0 x + b0) + b1) + b2, of the two text states and the image patches
    log((1 - s) softmax(base) + s softmax(counterfactual))

There are two cases: with pictures, and without ("plain."). The fixture also has the losses -log s
and -log(1 - s) of some pairs, and their gradients with respect to the network.
"""

import math
import sys

import torch
from safetensors.torch import save_file

ROWS, TEXT, PLACES, PICTURE, NARROW, HIDDEN, EMBEDDING, WORDS = 4, 6, 3, 5, 2, 7, 4, 11


def norm(state):
    mean = state.sum() / len(state)
    return (state - mean) / torch.sqrt(((state - mean) ** 2).sum() / len(state) + 1e-5)


def gelu(x):
    return torch.stack([v * 0.5 * (1 + torch.erf(v / math.sqrt(2))) for v in x])


def network(net, name, x):
    for i in range(3):
        x = net[f"{name}.{i}.weight"] @ x + net[f"{name}.{i}.bias"]
        if i < 2:
            x = gelu(x)
    return x


def embed(net, prefix, text, pictures, looks):
    words = network(net, prefix + "scope.text", torch.cat([norm(text[0]), norm(text[1])]))
    if pictures is None:
        return words
    places = torch.cat([net[prefix + "scope.place.weight"] @ norm(p) for p in pictures])
    return torch.cat([words, looks * network(net, prefix + "scope.picture", places)])


def main():
    generator = torch.Generator().manual_seed(5)

    def draw(*shape, scale=1.0):
        return (torch.randn(*shape, generator=generator) * scale).double()

    text, pictures = draw(ROWS, 2, TEXT), draw(ROWS, PLACES, PICTURE, scale=2.0)
    looks = torch.tensor([1.0, 1.0, 0.0, 1.0]).double()
    pictures[2] = 0
    base, other = draw(ROWS, WORDS, scale=3.0), draw(ROWS, WORDS, scale=3.0)
    out = {"text": text, "pictures": pictures, "looks": looks, "base": base, "counterfactual": other}
    for prefix in ("", "plain."):
        seen = prefix == ""
        net = {}
        if seen:
            net["scope.place.weight"] = draw(NARROW, PICTURE, scale=0.6)
        parts = [("text", 2 * TEXT, 0.7), ("picture", PLACES * NARROW, 0.3)]
        for part, width, scale in parts[:2 if seen else 1]:
            layers = [(HIDDEN, width), (HIDDEN, HIDDEN), (EMBEDDING, HIDDEN)]
            for i, (rows, columns) in enumerate(layers):
                net[f"scope.{part}.{i}.weight"] = draw(rows, columns, scale=scale)
                net[f"scope.{part}.{i}.bias"] = draw(rows, scale=0.2)
        net = {prefix + name: tensor.requires_grad_() for name, tensor in net.items()}
        embedded = [embed(net, prefix, text[r], pictures[r] if seen else None, looks[r])
                    for r in range(ROWS)]
        distance = torch.stack([torch.stack([((a - b) ** 2).sum() for b in embedded])
                                for a in embedded])
        s = torch.exp(-distance)
        mixed = torch.stack([
            torch.log((1 - s[1, r]) * torch.softmax(base[r], 0)
                      + s[1, r] * torch.softmax(other[r], 0)) for r in range(ROWS)])
        loss = -torch.log(s[0, 1]) - torch.log(1 - s[0, 3]) - torch.log(1 - s[1, 2])
        gradients = torch.autograd.grad(loss, list(net.values()))
        out.update(net)
        out.update({prefix + "embedded": torch.stack(embedded), prefix + "s": s,
                    prefix + "mixed": mixed, prefix + "loss": loss.reshape(1)})
        out.update({"gradient." + name: g for name, g in zip(net, gradients)})
    save_file({name: tensor.detach().float().contiguous() for name, tensor in out.items()},
              sys.argv[1])


if __name__ == "__main__":
    main()
