"""Models: load, ask, edit."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import torch

from emend.errors import Error
from emend.images import Image, Images, all_to_native, to_native
from emend.native import _native
from emend.patch import Patch
from emend.progress import Progress, watching

_DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
Locality = Union[str, Tuple[str, str], Tuple[str, str, Image]]


def _question(one: Locality) -> Tuple[str, str, Any]:
    """A locality question as (question, answer, image)."""
    text, answer, *image = (one, "") if isinstance(one, str) else one
    return (text, answer, to_native(image[0]) if image else None)


class Model:
    """An open model, made by `emend.load`. Its weights never change.

    The GIL is released while the model runs. Calls from several threads run one after another.
    """

    def __init__(self, native: Any, dtype: Optional[str] = None):
        self._native = native
        self._dtype = dtype  # as it was given to `load`
        self._facts = native.describe()
        self._patches: List[Patch] = []

    @property
    def folder(self) -> str:
        """The Hugging Face folder."""
        return self._facts["folder"]

    @property
    def device(self) -> torch.device:
        return torch.device(self._facts["device"])

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the activations."""
        name = self._facts["precision"]["dtype"]
        return next(dtype for dtype, known in _DTYPES.items() if known == name)

    @property
    def fingerprint(self) -> str:
        """The hash of the configuration and of all weights, which patches name as their base."""
        return self._native.fingerprint()

    @property
    def stages(self) -> List[str]:
        """The stages of the model in their order, such as "language.block.0"."""
        return list(self._facts["stages"])

    @property
    def sites(self) -> Dict[str, Tuple[int, int]]:
        """The shapes (out, in) of the linear layers that an edit can change, by name."""
        return {site["name"]: (site["out"], site["in"]) for site in self._facts["sites"]}

    @property
    def patches(self) -> Tuple[Patch, ...]:
        """The patches of the `patched` contexts that are open, in their order."""
        return tuple(self._patches)

    def _stack(self, more: Sequence[Patch]) -> List[Any]:
        for patch in more:
            if not isinstance(patch, Patch):
                raise Error(
                    f"a patch cannot be {type(patch).__name__}. Hint: open a file with "
                    "emend.load_patch"
                )
        return [patch._native for patch in (*self._patches, *more)]

    @contextmanager
    def patched(self, *patches: Patch) -> Iterator["Model"]:
        """A context in which the model has the patches, after those of the contexts around it.

        Afterward, the model is bit for bit what it was.
        """
        self._stack(patches)
        before = list(self._patches)
        self._patches = before + list(patches)
        try:
            yield self
        finally:
            self._patches = before

    def ask(
        self,
        prompt: str,
        image: Images = None,
        patches: Sequence[Patch] = (),
        *,
        max_new_tokens: Optional[int] = None,
        temperature: float = 0,
        top_p: float = 1,
        seed: int = 0,
        template: str = "",
    ) -> str:
        """Returns the model's answer.

        prompt: a question, or a text to continue. It is put into the model's chat template. A
            question to a model without one becomes "Question: ... Short answer:".
        image: a path, a PIL image, an array (H, W, 3) of uint8, or a torch tensor; None: no picture.
            A model that reads several pictures takes a list of them, in the order of the prompt.
        patches: applied for this call, after those of `patched`.
        max_new_tokens: None: that of generation_config.json, else 32.
        temperature: 0: greedy decoding.
        template: another template, with {} in place of the prompt; "{}" is the prompt alone.
        """
        return self._native.ask(
            prompt, all_to_native(image), self._stack(patches), template, max_new_tokens,
            temperature, top_p, seed,
        )

    def logits(
        self,
        prompt: str,
        image: Images = None,
        continuation: str = "",
        patches: Sequence[Patch] = (),
        *,
        template: str = "",
    ) -> torch.Tensor:
        """Returns the logits at all positions, (T, V), float32.

        T counts the image tokens, the tokens of the prompt and those of the continuation. Row t
        predicts the token after position t. A space is added before the continuation if it begins
        with none. The tensor is that of the model: it is not copied.
        """
        return self._native.logits(
            prompt, all_to_native(image), continuation, self._stack(patches), template
        )

    def edit(
        self,
        prompt: str,
        target: str,
        image: Image = None,
        editor: str = "ft",
        module: Optional[str] = None,
        settings: Optional[Mapping[str, Any]] = None,
        *,
        subject: str = "",
        rephrasings: Sequence[str] = (),
        rephrase_images: Sequence[Image] = (),
        follows: Sequence[Tuple[str, str]] = (),
        locality: Sequence[Locality] = (),
        probes: int = 20,
        protocol: str = "",
        template: str = "",
        seed: int = 0,
        on: Sequence[Patch] = (),
        progress: Progress = None,
    ) -> Patch:
        """Makes an edit after which the model answers `prompt` with `target`, and measures it.

        editor: a name of `emend.editors()`.
        module: the part to change: language, connector, projector or vision_tower; None: as the
            editor's settings define.
        settings: of the editor, such as {"steps": 20}.
        subject: the words of the prompt that the fact is about, for rome, memit and alphaedit.
        rephrasings: other wordings of the prompt, to measure T-Generality.
        rephrase_images: other pictures of the same subject, to measure M-Generality.
        follows: pairs (question, answer) that must follow from the edit, to measure Portability.
        locality: questions whose answers must not change: a question, a pair (question, answer), or
            a triple (question, answer, image). They replace the default questions.
        probes: the number of default locality questions without and with a picture. Fewer are
            faster.
        protocol: the evaluation protocol; empty: mmedit-2024 with the prompts of `ask`.
        on: patches to edit on top of, after those of `patched`. The result has the new edit only.
        progress: None shows a progress bar on a terminal and in a notebook; True always; False
            never; or a function of (part, done, total, note).

        Check `patch.holds`: an edit that does not hold is returned, too. Ctrl-C raises
        KeyboardInterrupt, and the model can be used again.
        """
        with watching(progress) as report:
            native, facts = _native.edit(
                self._native,
                prompt,
                target,
                to_native(image),
                editor,
                module or "",
                dict(settings or {}),
                subject,
                list(rephrasings),
                [to_native(one) for one in rephrase_images],
                [(question, answer) for question, answer in follows],
                [_question(one) for one in locality],
                probes,
                protocol,
                template,
                seed,
                self._stack(on),
                report,
            )
        return Patch(native, facts)

    def export(
        self,
        patches: Sequence[Patch],
        to: str,
        output: Union[str, os.PathLike],
        *,
        weights_dtype: str = "",
        rank: Optional[int] = None,
        max_error: Optional[float] = None,
        gguf_pre: str = "",
        progress: Progress = None,
    ) -> Dict[str, Any]:
        """Writes the edited model, or an adapter with the edits, for other programs.

        patches: exported after those of `patched`.
        to: "hf", a Hugging Face folder; "peft", a LoRA adapter for the PEFT library; "gguf", a file
            for llama.cpp, also without patches; "gguf-lora", a LoRA adapter for llama.cpp.
        output: a folder, which must not exist or be empty; for gguf and gguf-lora a file.
        weights_dtype: of hf and gguf: "stored", "bf16", "fp16", "fp32", and "q8_0" for gguf.
        rank, max_error: of dense changes in an adapter: a rank, or the largest relative error.
        gguf_pre: llama.cpp's name of the pre-tokenizer, if it is not recognized.

        Returns the object of `emend export --json`, without the check of the edited prompts.
        """
        with watching(progress) as report:
            return _native.export(
                self._native, self._stack(patches), to, os.fspath(output), weights_dtype, rank,
                max_error, gguf_pre, report,
            )

    def __repr__(self) -> str:
        facts = self._facts
        applied = f", {len(self._patches)} patched" if self._patches else ""
        return (
            f"<emend.Model {Path(self.folder).name}: {facts['parameters'] / 1e6:.3g}M parameters, "
            f"{facts['precision']['dtype']}, {self.device}{applied}>"
        )


def _bundled() -> str:
    named = os.environ.get("EMEND_MODEL")
    if named:
        return named
    folder = Path(__file__).parent / "models" / "scenes-blip2"  # of the installed package
    if not (folder / "config.json").exists():
        raise Error(
            f"no folder is given, and the bundled model was not found in {folder.parent}. Hint: give "
            "a Hugging Face folder, or install emend again"
        )
    return os.fspath(folder)


def load(
    folder: Union[None, str, os.PathLike] = None,
    dtype: Union[None, str, torch.dtype] = None,
    device: Union[str, torch.device] = "cpu",
    *,
    chat_template: bool = True,
) -> Model:
    """Opens a Hugging Face folder; None: $EMEND_MODEL, or the bundled model. Nothing is downloaded.

    dtype: of the computation: torch.float32, torch.bfloat16 or torch.float16 (CUDA only); None: as
        `--dtype auto` of the program chooses.
    chat_template: False passes prompts as they are.

    The number of threads is that of torch. A model as small as the bundled one is faster with
    torch.set_num_threads(1).
    """
    name = _DTYPES.get(dtype, str(dtype)) if isinstance(dtype, torch.dtype) else dtype
    path = _bundled() if folder is None else os.path.expanduser(os.fspath(folder))
    return Model(_native.OpenModel(path, name, str(device), chat_template), name)


class _Editors(Dict[str, Dict[str, Any]]):
    """The editors by name. In a notebook, a table."""

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{name}</td><td>{escape(info['summary'])}</td>"
            f"<td>{escape(', '.join(info['settings']))}</td></tr>"
            for name, info in self.items()
        )
        return f"<table><tr><th>editor</th><th>summary</th><th>settings</th></tr>{rows}</table>"


def editors() -> Dict[str, Dict[str, Any]]:
    """The editors by name, each with summary, settings {name: {default, range, meaning}}, and
    departures, the differences between the defaults and the paper."""
    result = _Editors()
    for info in _native.editors():
        settings = {setting.pop("name"): setting for setting in info["settings"]}
        result[info["name"]] = {**info, "settings": settings}
    return result
