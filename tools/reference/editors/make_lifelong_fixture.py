#!/usr/bin/env python3
"""Writes src/editing/testdata/lifelong.safetensors: UltraEdit and GRACE on a small Llama.

    python make_lifelong_fixture.py

The model is src/models/testdata/llama/gqa, run by transformers in float64.

UltraEdit: two batches of two edits with one statistic for each shape of weights (down_proj of both
blocks has one, up_proj of the second block another), which is updated row by row (Welford) and kept
from the first batch for the second. The update is solved in its published form, with a matrix of
the width of the input. `prior`: the statistics begin with 8 rows of mean 0 and with the mean square
of all rows. Both batches are edits of the original model.

GRACE: key, output and value of one layer after 12 steps of Adam, for both replacements; and the
radii of a codebook of random keys with three labels.
"""

import pathlib

import numpy
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[3]
SITES = ["model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj", "model.layers.1.mlp.up_proj"]
EPS = float(numpy.finfo(numpy.float32).eps)
PRIOR = 8
GRACE_SITE = "model.layers.0.mlp.down_proj"
STEPS, LR = 12, 0.05


class Welford:
    def __init__(self):
        self.n, self.mean, self.s = 0, 0.0, 0.0

    def add(self, row):
        self.n += 1
        delta = row - self.mean
        self.mean = self.mean + delta / self.n
        self.s = self.s + delta * (row - self.mean)

    def normalized(self, row):
        std = numpy.sqrt(self.s / (self.n - 1 + EPS))
        return numpy.where(std > 0, (row - self.mean) / numpy.where(std > 0, std, 1), 0)


def factors(model, edits):
    """Inputs and output gradients of every site at the positions that predict the answers."""
    keys, gradients = {s: [] for s in SITES}, {s: [] for s in SITES}
    for question, answer in edits:
        seen = {}

        def hook(name):
            def run(module, inputs, output):
                output.retain_grad()
                seen[name] = (inputs[0], output)
            return run

        handles = [model.get_submodule(s).register_forward_hook(hook(s)) for s in SITES]
        ids = torch.tensor([question + answer])
        log = torch.log_softmax(model(ids).logits[0], -1)
        begin = len(question)
        positions = range(begin - 1, begin - 1 + len(answer))
        loss = -sum(log[p, t] for p, t in zip(positions, answer)) / len(answer)
        loss.backward()
        for handle in handles:
            handle.remove()
        for site in SITES:
            for p in positions:
                keys[site].append(seen[site][0][0, p].detach().numpy().copy())
                gradients[site].append(seen[site][1].grad[0, p].numpy().copy())
    return ({s: numpy.stack(k) for s, k in keys.items()}, {s: numpy.stack(g) for s, g in gradients.items()})


def ultraedit(history, keys, gradients, prior):
    """Updates (out, in) of the sites for the learning rate 1. history: earlier (keys, gradients)."""
    updates = {}
    for site in SITES:
        shape = (keys[site].shape[1], gradients[site].shape[1])
        rows = [numpy.concatenate([h, g]) for k, v in history + [(keys, gradients)] for other in SITES
                if (k[other].shape[1], v[other].shape[1]) == shape for h, g in zip(k[other], v[other])]
        statistic = Welford()
        if prior:
            size = numpy.sqrt(numpy.mean(numpy.square(rows), 0))
            for i in range(PRIOR):
                statistic.add(size if i % 2 else -size)
        for row in rows:
            statistic.add(row)
        width = shape[0]
        wanted = []
        for h, g in zip(keys[site], gradients[site]):
            row = statistic.normalized(numpy.concatenate([h, g]))
            wanted.append(-(row[:width] ** 2).sum() * row[width:])
        H, V = keys[site], numpy.stack(wanted)
        updates[site] = numpy.linalg.solve(H.T @ H + numpy.eye(width), H.T @ V).T
    return updates


def grace(model, question, answer, replacement, start):
    module = model.get_submodule(GRACE_SITE)
    last = len(question) - 1
    seen, value = {}, torch.tensor(start, requires_grad=True)

    def hook(_, inputs, output):
        seen["key"], seen["output"] = inputs[0][0, last].detach(), output[0, last].detach()
        output = output.clone()
        output[0, (0 if replacement == "prompt" else last):last + 1] = value
        return output

    handle = module.register_forward_hook(hook)
    adam = torch.optim.Adam([value], lr=LR)
    losses = []
    for step in range(STEPS + 1):
        log = torch.log_softmax(model(torch.tensor([question + answer])).logits[0], -1)
        loss = -sum(log[last + i, t] for i, t in enumerate(answer)) / len(answer)
        losses.append(loss.item())
        if step == STEPS:
            break
        adam.zero_grad()
        loss.backward()
        adam.step()
    handle.remove()
    return seen["key"], seen["output"], value.detach(), losses


def codebook_radii(keys, labels, eps):
    radii = []
    for i, key in enumerate(keys):
        radius = eps
        if i:
            distances = numpy.linalg.norm(keys[:i] - key, axis=1)
            near = int(distances.argmin())
            d = float(distances[near])
            if d <= eps + radii[near]:
                if labels[near] != labels[i]:
                    radii[near] = min(radii[near], d / 2 * (1 - 1e-5))
                    radius = min(radius, d / 2)
                else:
                    radii[near] = max(radii[near], d)
        radii.append(radius)
    return radii


def main():
    model = LlamaForCausalLM.from_pretrained(ROOT / "src/models/testdata/llama/gqa").double().eval()
    random = numpy.random.default_rng(11)
    tensors = {}
    batches = []
    for batch in range(2):
        edits = []
        for edit in range(2):
            question = [1] + random.integers(3, 43, 5 + edit + batch).tolist()
            answer = random.integers(3, 43, 2 + edit).tolist()
            edits.append((question, answer))
            tensors[f"{batch}/{edit}/question"] = torch.tensor(question)
            tensors[f"{batch}/{edit}/answer"] = torch.tensor(answer)
        batches.append((edits, *factors(model, edits)))
    for batch, (_, keys, gradients) in enumerate(batches):
        history = [b[1:] for b in batches[:batch]]
        for site in SITES:
            tensors[f"{batch}/{site}.keys"] = torch.tensor(keys[site])
            tensors[f"{batch}/{site}.gradients"] = torch.tensor(gradients[site])
        for prior in (False, True):
            for site, update in ultraedit(history, keys, gradients, prior).items():
                tensors[f"{batch}/{site}.{'prior' if prior else 'published'}"] = torch.tensor(update)

    question, answer = batches[0][0][1]
    for replacement in ("prompt", "last"):
        start = random.uniform(0, 0.1, model.config.hidden_size)
        # The start is the layer's own output, as for init=warm.
        _, output, _, _ = grace(model, question, answer, replacement, start)
        key, output, value, losses = grace(model, question, answer, replacement, output.numpy())
        tensors[f"grace/{replacement}.value"] = value
        tensors[f"grace/{replacement}.losses"] = torch.tensor(losses, dtype=torch.float64)
    tensors["grace/key"], tensors["grace/output"] = key, output

    keys = random.standard_normal((30, 3)).astype(numpy.float32)
    labels = random.integers(0, 3, 30)
    tensors["codebook/keys"] = torch.tensor(keys)
    tensors["codebook/labels"] = torch.tensor(labels)
    tensors["codebook/radii"] = torch.tensor(codebook_radii(keys, labels, 0.6), dtype=torch.float64)

    path = ROOT / "src/editing/testdata/lifelong.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    print(path, path.stat().st_size, "bytes; losses", losses)


main()
