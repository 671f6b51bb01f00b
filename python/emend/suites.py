"""Suites of edits, and the comparison of editors on them."""

import os
import tempfile
from collections.abc import Sequence as AbstractSequence
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from emend.bench_result import BenchResult
from emend.errors import Error
from emend.model import Model
from emend.native import _native
from emend.progress import Progress, watching

Path = Union[str, os.PathLike]


def _suite_options(
    suite: str,
    limit: int,
    seed: int,
    probes: int,
    data: Path,
    images: Path,
    rephrase_images: Path,
    split: str,
    form: str,
    grid: bool,
    missing_images: str,
) -> Dict[str, Any]:
    if any(name not in _native.suites() for name in suite.split(",")):
        raise Error(f"unknown suite '{suite}'. Hint: use one of {', '.join(_native.suites())}")
    return {
        "suite": suite,
        "limit": limit,
        "seed": seed,
        "probes": probes,
        "data": os.fspath(data),
        "images": os.fspath(images),
        "rephrase_images": os.fspath(rephrase_images),
        "split": split,
        "form": form,
        "grid": grid,
        "missing_images": missing_images,
    }


class Suite(AbstractSequence):
    """The records of a suite: edits with their probes. A record is made when it is requested.

    A record is a dict with id, image, prompt, target, truth (the correct answer, if known), subject,
    and probes, a list of dicts with group, image, prompt and answer. An image is None, a path, or an
    array (H, W, 3) of uint8.

        for record in emend.Suite("scenes", limit=20, seed=1):
            print(record["prompt"], record["target"])

    The arguments are those of `emend bench`: see docs/bench.md.
    """

    def __init__(
        self,
        suite: str = "scenes",
        *,
        limit: int = 0,
        seed: int = 0,
        probes: int = 1,
        data: Path = "",
        images: Path = "",
        rephrase_images: Path = "",
        split: str = "eval",
        form: str = "vqa",
        grid: bool = False,
        missing_images: str = "refuse",
    ):
        self.name = suite
        self._native = _native.Suite(
            _suite_options(
                suite, limit, seed, probes, data, images, rephrase_images, split, form, grid,
                missing_images,
            )
        )

    @property
    def metadata(self) -> Dict[str, Any]:
        """Where the records come from, and how many were left out."""
        return self._native.metadata()

    def __len__(self) -> int:
        return len(self._native)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._native[index]

    def __repr__(self) -> str:
        return f"<emend.Suite {self.name}: {len(self)} records>"


def bench(
    model: Model,
    suite: str = "scenes",
    editors: Union[str, Sequence[str]] = ("ft:language", "ft:connector"),
    limit: int = 0,
    protocol: str = "mmedit-2024",
    output: Optional[Path] = None,
    settings: Optional[Mapping[str, Mapping[str, Any]]] = None,
    *,
    mode: str = "single",
    batch_size: Optional[int] = None,
    judge_at: Sequence[int] = (1, 10, 100, 1000, 10000),
    judge_sample: int = 100,
    answers: str = "generated",
    probes: int = 1,
    seed: int = 0,
    data: Path = "",
    images: Path = "",
    rephrase_images: Path = "",
    split: str = "eval",
    form: str = "vqa",
    grid: bool = False,
    missing_images: str = "refuse",
    oracle: bool = False,
    save_patches: bool = False,
    restart: bool = False,
    cache_dir: Path = "",
    progress: Progress = None,
) -> BenchResult:
    """Compares editors on the edits of a suite, as `emend bench` does.

    editors: names with an optional module, such as ["ft:language", "lora"].
    limit: the maximum number of records; 0: all (scenes: 500).
    output: the folder of the results; None: a new temporary folder. A run that was stopped there is
        resumed, also if the program made it.
    settings: by editor, such as {"ft": {"steps": 20}, "ft:connector": {"lr": 0.1}}.
    answers: "generated", or "forced", which is faster.

    The other arguments are those of the program: see docs/bench.md. Ctrl-C raises KeyboardInterrupt
    after the current edit; the same call then continues.
    """
    if model.patches:
        raise Error("emend.bench compares editors on the unedited model. Hint: call it outside of "
                    "model.patched(...)")
    folder = os.fspath(output) if output is not None else tempfile.mkdtemp(prefix="emend-bench-")
    options = _suite_options(
        suite, limit, seed, probes, data, images, rephrase_images, split, form, grid, missing_images
    )
    options.update(
        editors=editors if isinstance(editors, str) else ",".join(editors),
        settings={name: dict(values) for name, values in (settings or {}).items()},
        protocol=protocol,
        output=folder,
        mode=mode,
        batch_size=batch_size,
        judge_at=list(judge_at),
        judge_sample=judge_sample,
        answers=answers,
        oracle=oracle,
        save_patches=save_patches,
        restart=restart,
        cache_dir=os.fspath(cache_dir),
        dtype=model._dtype,
    )
    with watching(progress) as report:
        return BenchResult(folder, _native.bench(model._native, options, report))

