"""Edits as values."""

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch

from emend.native import _native

Delta = Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]


class Patch:
    """The change of an edit. The model is not changed: a patch is applied while the model runs.

    Made by `Model.edit`, `emend.load_patch` and `emend.merge`.
    """

    def __init__(self, native: Any, report: Optional[Dict[str, Any]] = None):
        self._native = native
        self._report = report

    @property
    def id(self) -> str:
        """The hash of the changes, the base model, and how they were made."""
        return self._native.id

    @property
    def base(self) -> str:
        """The fingerprint of the model that the patch belongs to."""
        return self._native.base

    @property
    def editor(self) -> str:
        """The name of the editor, such as "ft"."""
        return self._native.editor

    @property
    def settings(self) -> Any:
        """The settings of the editor."""
        return self._native.settings

    @property
    def edits(self) -> List[Dict[str, Any]]:
        """The edits, each with image, prompt (with its template), target, and subject if given."""
        request = self._native.request
        return request if isinstance(request, list) else [request]

    @property
    def effect(self) -> Dict[str, Any]:
        """Measurements from when the patch was made: answers, losses, steps, metrics."""
        return self._native.effect

    @property
    def holds(self) -> bool:
        """Whether the edited model generated the target when the patch was made."""
        return bool(self.effect.get("holds", False))

    @property
    def report(self) -> Optional[Dict[str, Any]]:
        """The report of `Model.edit`, the object of `emend edit --json`; None for a file.

        A patch that is not saved has no path. `failure`, if the edit does not hold, has the reason,
        and in `try` the options of the program that may help.
        """
        return self._report

    @property
    def deltas(self) -> Dict[str, Delta]:
        """The changes of weights, float32, by layer: a tensor (out, in), or a pair (up, down) with
        the shapes (out, r) and (r, in), whose product is the change. The tensors share the memory
        of the patch: copy them before you write to them.
        """
        return self._native.deltas

    @property
    def entries(self) -> List[Dict[str, Any]]:
        """The entries of a memory (ledger, serac, ike, grace, wise, liveedit): name, facts, tensors."""
        return self._native.entries

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes the patch to a file, as `emend edit -o` does."""
        self._native.save(os.fspath(path))

    def __repr__(self) -> str:
        deltas, entries = len(self.deltas), len(self.entries)
        parts = [self.editor]
        if deltas:
            parts.append(f"{deltas} layer{'s' * (deltas != 1)}")
        if entries:
            parts.append(f"{entries} entr{'y' if entries == 1 else 'ies'}")
        edits = self.edits
        if len(edits) == 1 and edits[0].get("target"):
            parts.append(f"{edits[0]['prompt']!r} -> {edits[0]['target'].strip()!r}")
        elif len(edits) > 1:
            parts.append(f"{len(edits)} edits")
        if "holds" in self.effect:
            parts.append("holds" if self.holds else "does not hold")
        return f"<emend.Patch {self.id[:12]}: {', '.join(parts)}>"


def load_patch(path: Union[str, os.PathLike]) -> Patch:
    """Reads a patch strictly. Raises emend.Error if the file is damaged or not a patch."""
    return Patch(_native.load_patch(os.fspath(path)))


def merge(patches: Sequence[Patch]) -> Patch:
    """One patch with the effect of several patches of one editor and one model."""
    return Patch(_native.merge_patches([patch._native for patch in patches]))
