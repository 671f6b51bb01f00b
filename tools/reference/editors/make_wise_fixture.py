#!/usr/bin/env python3
"""Writes src/editing/testdata/wise.safetensors: the training of WISE's side copy on a small Llama.

    python make_wise_fixture.py

The model is src/models/testdata/llama/gqa, run by transformers in float64. The side copy of
down_proj of block 1 is trained by a separate implementation with a forward hook, in the elements of
a random mask. Case `absolute` has the learning rate, the limit and the margins as they are, and
`relative` in units of the weight and of the layer's output. Each has the change before the edit,
the mask, the change after STEPS steps, the losses, and the activations.
"""

import pathlib

import numpy
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[3]
LAYER, STEPS = 1, 6
CASES = {
    # lr, limit, (alpha, beta, gamma)
    "absolute": (0.05, 0.02, (0.05, 2.0, 0.5)),
    "relative": (0.1, 0.3, (0.02, 0.5, 0.2)),
}


def layer_run(model, ids, change=None):
    """Input and original output of down_proj for one row, and the logits with a change."""
    seen = {}

    def hook(module, inputs, output):
        seen["input"], seen["output"] = inputs[0][0].detach(), output[0].detach()
        return output if change is None else output + inputs[0] @ change.T

    handle = model.model.layers[LAYER].mlp.down_proj.register_forward_hook(hook)
    logits = model(torch.tensor([ids])).logits[0]
    handle.remove()
    return seen["input"], seen["output"], logits


def train(model, questions, answer, unrelated, start, mask, case):
    lr, limit, (alpha, beta, gamma) = CASES[case]
    weight = model.model.layers[LAYER].mlp.down_proj.weight
    unit = 1.0
    if case == "relative":
        unit = weight.pow(2).mean().sqrt().item()
        _, output, _ = layer_run(model, questions[0])
        norm = output.norm(dim=1).mean().item()
        alpha, beta, gamma = alpha * norm, beta * norm, gamma * norm
    change = start.clone()
    losses = []
    for step in range(STEPS + 1):
        change.requires_grad_(True)
        nll, inside, outside = [], [], []
        for ids in questions:
            inputs, _, logits = layer_run(model, ids + answer, change)
            log = torch.log_softmax(logits[len(ids) - 1:-1], -1)
            nll += [-log[i, token] for i, token in enumerate(answer)]
            inside.append((inputs[:len(ids)] @ change.T).norm(dim=1).mean())
        for ids in unrelated:
            inputs, _, _ = layer_run(model, ids)
            outside.append((inputs @ change.T).norm(dim=1).mean())
        answer_loss = torch.stack(nll).mean()
        losses.append(answer_loss.item())
        loss = answer_loss
        loss = loss + sum(max(o - alpha, 0 * o) for o in outside) / len(outside)
        loss = loss + sum(max(beta - i, 0 * i) for i in inside) / len(inside)
        loss = loss + sum(max(gamma + o - i, 0 * i) for o in outside for i in inside) / (
            len(outside) * len(inside))
        if step == STEPS:
            return change.detach(), losses, inside[0].item(), max(outside).item()
        gradient, = torch.autograd.grad(loss, change)
        with torch.no_grad():
            moved = gradient * mask
            if case == "relative":
                moved = moved / moved[mask > 0].pow(2).mean().sqrt() * unit
            change = (change - lr * moved)
            change = torch.where(mask > 0, change.clamp(-limit * unit, limit * unit), change)


def main():
    model = LlamaForCausalLM.from_pretrained(ROOT / "src/models/testdata/llama/gqa").double().eval()
    random = numpy.random.default_rng(11)
    draw = lambda n: [1] + random.integers(3, 43, n).tolist()
    questions, answer = [draw(5), draw(7)], random.integers(3, 43, 3).tolist()
    unrelated = [draw(4), draw(9), draw(6)]
    shape = model.model.layers[LAYER].mlp.down_proj.weight.shape
    tensors = {"answer": torch.tensor(answer)}
    for i, ids in enumerate(questions):
        tensors[f"question.{i}"] = torch.tensor(ids)
    for i, ids in enumerate(unrelated):
        tensors[f"unrelated.{i}"] = torch.tensor(ids)
    for case in CASES:
        mask = torch.tensor(random.random(shape) < 0.4, dtype=torch.float64)
        start = torch.tensor(random.standard_normal(shape)) * 0.005 * mask
        change, losses, inside, outside = train(
            model, questions, answer, unrelated, start, mask, case)
        tensors[case + "/mask"] = mask.flatten().nonzero().squeeze(1)
        tensors[case + "/start"] = start.float()
        tensors[case + "/change"] = change
        tensors[case + "/losses"] = torch.tensor(losses, dtype=torch.float64)
        tensors[case + "/activations"] = torch.tensor([inside, outside], dtype=torch.float64)
        print(case, losses, inside, outside, change.abs().max().item())
    path = ROOT / "src/editing/testdata/wise.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    print(path, path.stat().st_size, "bytes")


main()
