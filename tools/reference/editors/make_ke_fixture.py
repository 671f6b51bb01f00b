#!/usr/bin/env python3
"""Writes KE's deltas for given texts, gradients and networks, for
src/editing/editors/hyper/ke_network_test.cpp.

    python make_ke_fixture.py OUT     # OUT is src/editing/testdata/ke.safetensors

Implements the formulas of De Cao, Aziz, Titov (arXiv 2104.08164) in double precision, one edit at a
time, with the gradient of the weight as a matrix (emend keeps its tokens separate). The LSTM is
torch.nn.LSTM, applied to each text separately. With G the gradient, scaled to norm out (its number
of rows):

    c = tanh(W [h_forward; h_backward] + w + W' picture)
    q_a, p_a, q_b, p_b, eta = V tanh(U c + u) + v
    delta W = max_scale * sigmoid(eta) * (G * outer(softmax(p_a), q_a) + outer(softmax(p_b), q_b))

There are two cases: without pictures and with the unscaled gradient ("plain."), and with pictures
and the scaled gradient. The latter has the gradients of sum(delta * probe) with respect to the
networks, too.
"""

import sys

import torch
from safetensors.torch import save_file

SITES = [("a", 5, 7), ("b", 7, 5)]  # name, in, out
LENGTHS, TOKENS = [4, 9, 1], 6
WORDS, PICTURE, READER, CONDITION, HIDDEN, MAX_SCALE = 6, 4, 3, 8, 5, 0.7


def draw(generator, *shape, scale=1.0):
    return torch.randn(*shape, generator=generator) * scale


def main():
    generator = torch.Generator().manual_seed(11)
    rows = len(LENGTHS)
    lstm = torch.nn.LSTM(WORDS, READER, bidirectional=True, batch_first=True).double()
    out = {}
    for direction, suffix in (("forward", ""), ("backward", "_reverse")):
        for ours, theirs in (("input", "weight_ih_l0"), ("recurrent", "weight_hh_l0"),
                             ("input_bias", "bias_ih_l0"), ("recurrent_bias", "bias_hh_l0")):
            parameter = getattr(lstm, theirs + suffix)
            parameter.data = draw(generator, *parameter.shape, scale=0.6).double()
            out[f"lstm.{direction}.{ours}"] = parameter
    out["condition.weight"] = draw(generator, CONDITION, 2 * READER, scale=0.5)
    out["condition.bias"] = draw(generator, CONDITION, scale=0.3)
    out["condition.picture"] = draw(generator, CONDITION, PICTURE, scale=0.5)
    for name, width_in, width_out in SITES:
        last = 2 * (width_in + width_out) + 1
        out[f"{name}.in.weight"] = draw(generator, HIDDEN, CONDITION, scale=0.5)
        out[f"{name}.in.bias"] = draw(generator, HIDDEN, scale=0.3)
        out[f"{name}.out.weight"] = draw(generator, last, HIDDEN, scale=0.7)
        out[f"{name}.out.bias"] = draw(generator, last, scale=0.5)
    for name, tensor in out.items():
        out[name] = tensor.detach().double().requires_grad_()
    networks = list(out)
    for name in networks:  # the LSTM uses the leaf tensors
        if name.startswith("lstm."):
            _, direction, ours = name.split(".")
            theirs = {"input": "weight_ih_l0", "recurrent": "weight_hh_l0", "input_bias": "bias_ih_l0",
                      "recurrent_bias": "bias_hh_l0"}[ours]
            parameter = getattr(lstm, theirs + ("_reverse" if direction == "backward" else ""))
            parameter.data = out[name].data
            out[name] = parameter

    words = draw(generator, rows, max(LENGTHS), WORDS)
    for row, length in enumerate(LENGTHS):
        words[row, length:] = 9  # padding, which must have no effect
    pictures = draw(generator, rows, PICTURE)
    pictures[1] = 0
    out["words"], out["pictures"] = words, pictures
    out["lengths"] = torch.tensor(LENGTHS, dtype=torch.float32)
    factors = {}
    for name, width_in, width_out in SITES:
        u = draw(generator, rows, TOKENS, width_in) + 0.3
        v = draw(generator, rows, TOKENS, width_out, scale=0.02)
        v[0, 4:] = 0  # padding
        factors[name] = (u, v)
        out[f"{name}.u"], out[f"{name}.v"] = u, v

    total = 0
    for pictured, prefix in ((False, "plain."), (True, "")):
        deltas = {name: [] for name, _, _ in SITES}
        for row, length in enumerate(LENGTHS):
            _, (last, _) = lstm(words[row:row + 1, :length].double())
            read = out["condition.weight"] @ torch.cat([last[0, 0], last[1, 0]]) + out["condition.bias"]
            if pictured:
                read = read + out["condition.picture"] @ pictures[row].double()
            condition = torch.tanh(read)
            for name, width_in, width_out in SITES:
                u, v = (x[row].double() for x in factors[name])
                gradient = v.T @ u
                if pictured:
                    gradient = gradient * width_out / gradient.norm()
                inner = torch.tanh(out[f"{name}.in.weight"] @ condition + out[f"{name}.in.bias"])
                last_layer = out[f"{name}.out.weight"] @ inner + out[f"{name}.out.bias"]
                q_a, p_a, q_b, p_b, eta = last_layer.split([width_in, width_out, width_in, width_out, 1])
                a = torch.outer(p_a.softmax(0), q_a)
                b = torch.outer(p_b.softmax(0), q_b)
                deltas[name].append(MAX_SCALE * torch.sigmoid(eta) * (gradient * a + b))
        for name, width_in, width_out in SITES:
            delta = torch.stack(deltas[name])
            out[f"{prefix}delta.{name}"] = delta
            if pictured:
                out[f"probe.{name}"] = draw(generator, rows, width_out, width_in)
                total = total + (delta * out[f"probe.{name}"].double()).sum()
    total.backward()
    for name in networks:
        out[f"gradient.{name}"] = out[name].grad
    save_file({k: v.detach().float().contiguous().clone() for k, v in out.items()}, sys.argv[1])


if __name__ == "__main__":
    main()
