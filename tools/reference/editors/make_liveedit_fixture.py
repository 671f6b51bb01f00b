#!/usr/bin/env python3
"""Writes src/editing/testdata/liveedit.safetensors: the networks and losses of LiveEdit.

    python make_liveedit_fixture.py

A separate implementation in float64 works on one question and one attention head at a time, without
padding. It has random weights and random states of three edits and four questions of different
lengths. The file has the weights, the states, the routing features, the experts, the routes, the
outputs of the experts, the losses of the routing, and the gradient of their sum and of a weighted sum
of the outputs for every weight.
"""

import math
import pathlib

import torch
from safetensors.torch import save_file

WIDTH, MODULE, HEADS, RANK, QUERIES, PICTURE, SCALE = 12, 8, 2, 3, 2, 5, 5.0
# Of each edit: positions before the picture, of the picture, the question and the answer.
EDITS = [(1, 5, 4, 2), (0, 5, 6, 1), (2, 5, 3, 3)]
INPUTS = [(1, 5, 4, 0), (1, 5, 2, 0), (0, 5, 7, 0), (3, 5, 5, 0)]


def random_parameters(generator):
    def draw(*shape, size=0.4):
        return torch.randn(*shape, generator=generator, dtype=torch.float64) * size

    parameters = {}

    def norm(name):
        parameters[name + ".weight"] = 1 + draw(WIDTH, size=0.2)
        parameters[name + ".bias"] = draw(WIDTH, size=0.2)

    def attention(name, values):
        for part, rows, columns in (("query", MODULE, MODULE), ("key", MODULE, WIDTH),
                                    ("value", values, WIDTH)):
            parameters[f"{name}.{part}.weight"] = draw(rows, columns)
            parameters[f"{name}.{part}.bias"] = draw(rows)

    for side in ("edit", "input"):
        norm(side + ".picture.norm")
        parameters[side + ".picture.query"] = draw(1, QUERIES, MODULE, size=1.0)
        attention(side + ".picture.prompt_attention", MODULE)
        attention(side + ".picture.attention", MODULE)
        norm(side + ".text.norm")
        parameters[side + ".text.query"] = draw(1, QUERIES, MODULE, size=1.0)
        attention(side + ".text.attention", MODULE)
    for factor in ("expert.down", "expert.up"):
        norm(factor + ".norm")
        parameters[factor + ".query"] = draw(1, RANK, MODULE, size=1.0)
        attention(factor + ".attention", WIDTH)
    parameters["sentinel"] = draw(1, PICTURE, WIDTH, size=1.0)
    norm("input.norm")
    return {name: value.requires_grad_() for name, value in parameters.items()}


class LiveEdit:
    def __init__(self, parameters):
        self.p = parameters

    def norm(self, name, x):
        mean = x.mean(-1, keepdim=True)
        deviation = ((x - mean) ** 2).mean(-1, keepdim=True).add(1e-5).sqrt()
        return (x - mean) / deviation * self.p[name + ".weight"] + self.p[name + ".bias"]

    def attend(self, name, queries, states):
        """queries (n, MODULE), states (T, WIDTH) -> (n, values)."""
        q, k, v = (x @ self.p[f"{name}.{part}.weight"].T + self.p[f"{name}.{part}.bias"]
                   for part, x in (("query", queries), ("key", states), ("value", states)))
        heads = []
        for qh, kh, vh in zip(q.chunk(HEADS, 1), k.chunk(HEADS, 1), v.chunk(HEADS, 1)):
            heads.append(torch.softmax(qh @ kh.T / math.sqrt(kh.shape[1]), 1) @ vh)
        return torch.cat(heads, 1)

    def picture(self, side, question, picture):
        name = side + ".picture"
        asked = self.attend(name + ".prompt_attention", self.p[name + ".query"][0],
                            self.norm(name + ".norm", question))
        return self.attend(name + ".attention", asked, self.norm(name + ".norm", picture))

    def text(self, side, question):
        name = side + ".text"
        return self.attend(name + ".attention", self.p[name + ".query"][0],
                           self.norm(name + ".norm", question))

    def factor(self, name, edit):
        made = self.attend(name + ".attention", self.p[name + ".query"][0],
                           self.norm(name + ".norm", edit))
        return made / (SCALE * math.sqrt(RANK))


def parts(states, lengths):
    before, picture, question, _ = lengths
    return (states[before:before + picture], states[before + picture:before + picture + question],
            states[before:])


def similarity(a, b):
    return sum(a[i] @ b[i] for i in range(QUERIES)) / QUERIES / math.sqrt(MODULE)


def main():
    generator = torch.Generator().manual_seed(48)
    parameters = random_parameters(generator)
    model = LiveEdit(parameters)
    edits = [torch.randn(sum(n), WIDTH, generator=generator, dtype=torch.float64) for n in EDITS]
    inputs = [torch.randn(sum(n), WIDTH, generator=generator, dtype=torch.float64) for n in INPUTS]

    edit_pictures, edit_texts, down, up = [], [], [], []
    for states, lengths in zip(edits, EDITS):
        picture, question, whole = parts(states, lengths)
        edit_pictures.append(model.picture("edit", question, picture))
        edit_texts.append(model.text("edit", question))
        down.append(model.factor("expert.down", whole))
        up.append(model.factor("expert.up", whole))
    pictures, texts, sentinels = [], [], []
    for states, lengths in zip(inputs, INPUTS):
        picture, question, _ = parts(states, lengths)
        pictures.append(model.picture("input", question, picture))
        texts.append(model.text("input", question))
        sentinels.append(model.picture("input", question, parameters["sentinel"][0]))

    outputs, kept, weights = [], [], []
    for i, states in enumerate(inputs):
        none = similarity(pictures[i], sentinels[i])
        used = [e for e in range(len(EDITS)) if similarity(pictures[i], edit_pictures[e]) > none]
        kept.append([float(e in used) for e in range(len(EDITS))])
        route = [torch.zeros((), dtype=torch.float64)] * len(EDITS)
        output = torch.zeros_like(states)
        if used:
            near = torch.stack([similarity(texts[i], edit_texts[e]) for e in used])
            mixed = torch.softmax(near, 0) * torch.sigmoid(near)
            x = model.norm("input.norm", states)
            for e, weight in zip(used, mixed):
                route[e] = weight
                output = output + weight * (torch.relu(x @ down[e].T) @ up[e])
        weights.append(torch.stack(route))
        outputs.append(output)

    # The losses of the routing, of the first three questions and the edits.
    n = len(EDITS)
    soft = neighbor = sentinel = 0
    for i in range(n):
        near = torch.stack([similarity(texts[i], edit_texts[e]) for e in range(n)])
        related = torch.sigmoid(near)
        soft = soft - torch.log(torch.softmax(near, 0)[i] + 1e-8) - torch.log(related[i] + 1e-8)
        soft = soft - torch.log(1 - related[(i - 1) % n] + 1e-8)
        seen = torch.stack([similarity(pictures[i], edit_pictures[e]) for e in range(n)] +
                           [similarity(pictures[i], sentinels[i])])
        found = torch.softmax(seen, 0)
        neighbor = neighbor - torch.log(found[i] + 1e-8)
        sentinel = sentinel - torch.log(found[n] + 1e-8)
    soft, neighbor, sentinel = soft / n, neighbor / n, sentinel / n

    counted = [torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in outputs]
    total = soft + neighbor + sentinel + sum((o * c).sum() for o, c in zip(outputs, counted))
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)

    tensors = {"weight/" + name: value.detach().float() for name, value in parameters.items()}
    for (name, value), gradient in zip(parameters.items(), gradients):
        tensors["gradient/" + name] = torch.zeros_like(value) if gradient is None else gradient
    for kind, states in (("edit", edits), ("input", inputs), ("counted", counted),
                         ("output", outputs)):
        for i, value in enumerate(states):
            tensors[f"{kind}.{i}"] = value.detach()
    tensors["lengths.edit"] = torch.tensor(EDITS)
    tensors["lengths.input"] = torch.tensor(INPUTS)
    for name, value in (("edit.picture", edit_pictures), ("edit.text", edit_texts), ("down", down),
                        ("up", up), ("input.picture", pictures), ("input.text", texts),
                        ("input.sentinel", sentinels), ("weights", weights)):
        tensors[name] = torch.stack(value).detach()
    tensors["kept"] = torch.tensor(kept)
    tensors["losses"] = torch.stack([soft, neighbor, sentinel]).detach()
    path = pathlib.Path(__file__).resolve().parents[3] / "src/editing/testdata/liveedit.safetensors"
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    print("kept", kept, "losses", tensors["losses"].tolist())
    print(path, path.stat().st_size, "bytes")


main()
