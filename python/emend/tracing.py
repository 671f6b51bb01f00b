"""Causal tracing."""

from typing import Any, Mapping, Optional, Sequence

from emend.images import Image, to_native
from emend.model import Model
from emend.native import _native
from emend.patch import Patch
from emend.progress import Progress, watching
from emend.trace_result import Trace


def trace(
    model: Model,
    prompt: str,
    image: Image = None,
    target: Optional[str] = None,
    subject: Optional[str] = None,
    settings: Optional[Mapping[str, Any]] = None,
    *,
    other_image: Image = None,
    other_words: str = "",
    patches: Sequence[Patch] = (),
    template: str = "",
    progress: Progress = None,
) -> Trace:
    """Locates the layers and positions that an answer depends on, as `emend trace` does.

    target: the answer to trace; None: the model's answer.
    subject: the words of the prompt to corrupt; None: only the picture is corrupted.
    settings: such as {"image": "gray", "grid": 4}; docs/locating.md explains them.
    other_image, other_words: replace the picture or the subject with the settings image="swap" and
        text="swap".
    """
    with watching(progress) as report:
        facts = _native.trace(
            model._native, prompt, to_native(image), target or "", subject or "",
            dict(settings or {}),
            to_native(other_image), other_words, model._stack(patches), template, report,
        )
    return Trace(facts)
