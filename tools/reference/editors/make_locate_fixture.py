#!/usr/bin/env python3
"""Writes src/editing/testdata/locate.safetensors: ROME, MEMIT and AlphaEdit on a small Llama.

    python make_locate_fixture.py

The model is src/models/testdata/llama/gqa, run by transformers. The value is optimized by a
separate implementation with forward hooks in float64, the closed forms with numpy. Two edits have
three contexts each. Case `E`: the tokens of its contexts, the distance of the lookup position from
the end, the offset after 12 steps, the losses, and the keys. Updates: those of ROME (average and
original) for the first edit, and of MEMIT and AlphaEdit for both edits, with and without history.
"""

import pathlib

import numpy
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[3]
LAYER = 0
STEPS, LR, DECAY, CLAMP = 12, 0.02, 0.1, 1.5
LAMBDA, L2, ENERGY = 3.0, 0.05, 0.2


def site_values(model, ids, position, offset=None):
    """Input and output of down_proj at a position, and the logits."""
    seen = {}

    def hook(module, inputs, output):
        seen["key"] = inputs[0][0, position].detach()
        seen["output"] = output[0, position].detach()
        if offset is not None:
            output = output.clone()
            output[0, position] = output[0, position] + offset
        return output

    handle = model.model.layers[LAYER].mlp.down_proj.register_forward_hook(hook)
    logits = model(torch.tensor([ids])).logits[0]
    handle.remove()
    return seen["key"], seen["output"], logits


def optimize(model, contexts, answer, distance):
    """Offset after Adam with betas (0.9, 0.999), and the losses before each step and at the end."""
    _, value, _ = site_values(model, contexts[0], len(contexts[0]) - distance)
    norm = value.norm()
    offset = torch.zeros_like(value, requires_grad=True)
    first, second = torch.zeros_like(value), torch.zeros_like(value)
    losses = []
    for step in range(STEPS + 1):
        nll = []
        for ids in contexts:
            _, _, logits = site_values(model, ids, len(ids) - distance, offset)
            begin = len(ids) - len(answer)
            log = torch.log_softmax(logits[begin - 1:-1], -1)
            nll += [-log[i, token] for i, token in enumerate(answer)]
        answer_loss = torch.stack(nll).mean()
        losses.append(answer_loss.item())
        if step == STEPS:
            break
        # The norm has the gradient 0 at 0.
        decay = DECAY * offset.norm() / norm**2 if step else 0
        gradient, = torch.autograd.grad(answer_loss + decay, offset)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        with torch.no_grad():
            offset -= LR * (first / (1 - 0.9**(step + 1))) / (
                (second / (1 - 0.999**(step + 1))).sqrt() + 1e-8)
            length = offset.norm()
            if length > CLAMP * norm:
                offset *= CLAMP * norm / length
    return offset.detach(), losses


def main():
    model = LlamaForCausalLM.from_pretrained(ROOT / "src/models/testdata/llama/gqa").double().eval()
    random = numpy.random.default_rng(5)
    tensors = {}
    edits = []
    for edit in range(2):
        question = random.integers(3, 43, 6).tolist()
        answer = random.integers(3, 43, 2 + edit).tolist()
        contexts = [[1] + question + answer]
        for prefix in (2, 3):
            contexts.append([1] + random.integers(3, 43, prefix).tolist() + question + answer)
        distance = 3 + len(answer)  # the fourth token of the question
        offset, losses = optimize(model, contexts, answer, distance)
        values = [site_values(model, ids, len(ids) - distance) for ids in contexts]
        keys = torch.stack([key for key, _, _ in values])
        outputs = torch.stack([output for _, output, _ in values])
        edits.append((offset, keys, outputs))
        name = f"{edit}/"
        for i, ids in enumerate(contexts):
            tensors[f"{name}ids.{i}"] = torch.tensor(ids)
        tensors[name + "answer"] = torch.tensor(answer)
        tensors[name + "distance"] = torch.tensor([distance])
        tensors[name + "offset"] = offset
        tensors[name + "losses"] = torch.tensor(losses, dtype=torch.float64)
        tensors[name + "keys"] = keys
        tensors[name + "outputs"] = outputs

    width = edits[0][1].shape[1]
    samples = random.standard_normal((width, 60)) * random.uniform(0.1, 2, (width, 1))
    covariance = samples @ samples.T / 60
    history = random.standard_normal((width, 3))
    tensors["covariance"] = torch.tensor(covariance)
    tensors["history"] = torch.tensor(history)

    offset, keys, outputs = (tensor.numpy() for tensor in edits[0])
    mean = keys.mean(0)
    left = numpy.linalg.solve(covariance, mean)
    # R-ROME: mean key and mean output; target: the bare output with the offset.
    right = (outputs[0] + offset - outputs.mean(0)) / (mean @ left)
    tensors["rome.average"] = torch.tensor(numpy.outer(right, left))
    tensors["rome.original"] = torch.tensor(numpy.outer(offset / (keys[0] @ left), left))

    # MEMIT's key: one half for the bare context.
    columns = numpy.stack([(0.5 * k[0] + 0.25 * (k[1] + k[2])).numpy() for _, k, _ in edits], 1)
    residuals = numpy.stack([o.numpy() for o, _, _ in edits], 1)
    values, vectors = numpy.linalg.eigh(covariance)
    share = numpy.cumsum(values) / values[:-1].sum()
    null = vectors[:, share <= ENERGY]
    project = null @ null.T
    for name, earlier in (("", numpy.zeros((width, 0))), (".history", history)):
        gram = columns @ columns.T + earlier @ earlier.T
        memit = numpy.linalg.solve(LAMBDA * covariance + gram, columns)
        tensors["memit" + name] = torch.tensor(residuals @ memit.T)
        alpha = numpy.linalg.solve(project @ gram + L2 * numpy.eye(width), project @ columns)
        tensors["alphaedit" + name] = torch.tensor(residuals @ alpha.T)

    path = ROOT / "src/editing/testdata/locate.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    print(path, path.stat().st_size, "bytes; losses", [t.tolist() for n, t in tensors.items() if "losses" in n])


main()
