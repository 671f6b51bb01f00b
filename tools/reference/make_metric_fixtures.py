"""Writes src/evaluation/testdata/metrics.safetensors: random logits, and the metrics in PyTorch.

    python tools/reference/make_metric_fixtures.py

The formulas are those of MMEdit's code (the shift, -100 for ignored labels, means over rows). Ties
rank by the lowest token ID. A seed is used only if no result depends on roundings that may differ
in another build of PyTorch.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "src/evaluation/testdata/metrics.safetensors"
IGNORED = -100
# name: rows, positions, vocabulary, spread of the logits, difference of `after`, steps of the
# logits
CASES = {
    "plain": (3, 7, 61, 2.0, 0.3, None),
    "ties": (2, 6, 97, 1.5, 0.3, 0.25),
    "flat": (2, 5, 160, 0.05, 0.01, None),  # many equal probabilities in float16
    "peaked": (2, 5, 64, 12.0, 1.0, None),  # probabilities that float16 rounds to zero
    "one_row": (1, 9, 33, 2.0, 2.0, None),
}


def make(case, seed):
    rows, length, vocabulary, spread, drift, step = CASES[case]
    generator = torch.Generator().manual_seed(seed)
    noise = lambda: torch.randn(rows, length, vocabulary, generator=generator)
    before = spread * noise()
    after = before + drift * noise()
    if step:
        before, after = (before / step).round() * step, (after / step).round() * step
    labels = torch.full((rows, length), IGNORED)
    mask = torch.zeros(rows, length, dtype=torch.bool)
    for row in range(rows):
        real = length - row  # right padding
        mask[row, :real] = True
        for position in range(real - 3, real):
            # Correct half of the time: the most probable token of the previous position.
            right = torch.rand((), generator=generator) < 0.6
            other = torch.randint(vocabulary, (), generator=generator)
            labels[row, position] = after[row, position - 1].argmax() if right else other
    return before, after, labels, mask


def shifted(logits, labels):
    pred, targ = logits.float()[:, :-1], labels[:, 1:]
    return pred, targ, targ != IGNORED


def nll(logits, labels):
    pred, targ, m = shifted(logits, labels)
    logp = F.log_softmax(pred.double(), -1).gather(-1, targ.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return -(logp * m).sum() / m.sum()


def token_accuracy(logits, labels):
    pred, targ, m = shifted(logits, labels)
    return ((pred.argmax(-1) == targ) & m).sum().double() / m.sum()


def exact_match(logits, labels):
    pred, targ, m = shifted(logits, labels)
    return ((pred.argmax(-1) == targ) | ~m).all(-1).double().mean()


def topk(scores, k):
    return torch.argsort(scores, dim=-1, descending=True, stable=True)[..., :k]


def half_softmax(x):
    """As in a float16 model: float16 logits, with their softmax summed in float32 and rounded."""
    return x.half().float().softmax(-1).half().float()


SCORES = {
    "logits_float32": lambda x: x.float(),
    "softmax_float16": half_softmax,
}


def agreement(before, after, mask, k, scores):
    same = topk(scores(before), k) == topk(scores(after), k)
    rows = [same[row][mask[row]].double().mean() for row in range(len(same))]
    return torch.stack(rows).mean()  # the reference code runs rows one by one


def kl_locality(before, after, mask):
    p, q = (F.log_softmax(x.double(), -1) for x in (before, after))
    return (mask * (p.exp() * (p - q)).sum(-1)).sum() / mask.sum()


def expected(before, after, labels, mask):
    out = {"nll": nll(after, labels), "token_accuracy": token_accuracy(after, labels),
           "exact_match": exact_match(after, labels), "kl": kl_locality(before, after, mask)}
    for name, scores in SCORES.items():
        for k in (1, 10):
            out[f"agreement_{k}_{name}"] = agreement(before, after, mask, k, scores)
        out[f"best_{name}"] = topk(scores(before), 10)
    return out


def settled(logits):
    """The float16 rounding must not depend on the order in which the softmax is summed."""
    wide = logits.half().double().softmax(-1)
    return all(torch.equal((wide * (1 + e)).half().float(), half_softmax(logits))
               for e in (-3e-7, 3e-7))


def main():
    torch.set_num_threads(1)
    out = {}
    for case in CASES:
        for seed in range(2000):
            before, after, labels, mask = make(case, seed)
            values = expected(before, after, labels, mask)
            moved = all(0 < values[k] < 1 for k in ("token_accuracy", "agreement_10_softmax_float16"))
            if moved and settled(before) and settled(after):
                break
        else:
            raise SystemExit(f"{case}: no suitable seed found")
        print(case, "seed", seed, {k: round(v.item(), 4) for k, v in values.items() if v.dim() == 0})
        tensors = dict(before=before, after=after, labels=labels, mask=mask, **values)
        out.update({f"{case}/{k}": v.contiguous() for k, v in tensors.items()})
    OUT.parent.mkdir(exist_ok=True)
    save_file(out, OUT, {"torch": torch.__version__})
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
