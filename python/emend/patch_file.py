"""Reads patch files in Python, without the compiled part of emend (docs/patches.md)."""

import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Tuple, Union

import torch

from emend.errors import Error

_NEWEST = 2  # version of the format


@dataclass
class PatchFile:
    """The fields of a patch file that `emend.hf` needs."""

    id: str
    base: str
    editor: str
    # By layer: (out, in), or the pair up (out, r), down (r, in). float32.
    deltas: Dict[str, Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]]
    entries: List[Dict[str, Any]] = field(default_factory=list)  # of a memory, without its tensors


def read_patch_file(path: Union[str, os.PathLike]) -> PatchFile:
    """Reads the weight changes of a patch. Raises emend.Error if the file is not a patch."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as missing:
        raise Error("the package safetensors is not installed. Hint: pip install safetensors") from missing
    name = os.fspath(path)
    if not os.path.isfile(name):
        reason = "is not a file" if os.path.exists(name) else "does not exist"
        raise Error(f"'{name}' {reason}. Hint: give a file of `emend edit -o`")
    try:
        with safe_open(name, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != "emend-patch":
                raise Error(f"'{name}' is not a patch. Hint: give a file of `emend edit -o`")
            if not metadata.get("version", "").isdigit() or int(metadata["version"]) > _NEWEST:
                raise Error(f"'{name}' has a newer format. Hint: use a newer emend")
            patch = json.loads(metadata["patch"])
            stored = set(file.keys())
            deltas: Dict[str, Any] = {}
            for site in patch["sites"]:
                if f"{site}.delta" in stored:
                    deltas[site] = file.get_tensor(f"{site}.delta")
                else:
                    deltas[site] = (file.get_tensor(f"{site}.up"), file.get_tensor(f"{site}.down"))
            entries = patch.get("memory", {}).get("entries", [])
            return PatchFile(patch["id"], patch["base"], patch["editor"], deltas, entries)
    except (SafetensorError, KeyError, TypeError, ValueError) as damage:
        raise Error(f"'{name}' is damaged: {damage}. Hint: make the patch again") from damage
