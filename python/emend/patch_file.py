"""Reads patch files in Python, without the compiled part of emend (docs/patches.md)."""

import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Tuple, Union

import torch

from emend.errors import Error

_NEWEST = 2  # version of the format; version 1 has no checksums


@dataclass
class PatchFile:
    """The fields of a patch file that `emend.hf` needs."""

    id: str
    base: str
    editor: str
    # By layer: (out, in), or the pair up (out, r), down (r, in). float32.
    deltas: Dict[str, Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]]
    entries: List[Dict[str, Any]] = field(default_factory=list)  # of a memory, without its tensors


def members(text: str) -> Iterator[Tuple[str, str]]:
    """The members of a JSON object in compact notation, with the text of each value. Checksums are
    hashes of these texts."""
    decoder = json.JSONDecoder()
    at = text.index("{") + 1
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        _, end = decoder.raw_decode(text, at + 1)  # after the colon
        yield name, text[at + 1:end]
        at = end + (text[end] == ",")


def _hash() -> Any:
    try:
        from xxhash import xxh3_128
    except ImportError as missing:
        raise Error("the package xxhash is not installed. Hint: pip install xxhash") from missing
    return xxh3_128()


def checksums(description: str) -> Dict[str, str]:
    """The XXH3-128 hash of each member of a patch's description."""
    sums = {}
    for name, text in members(description):
        hashed = _hash()
        hashed.update(text.encode())
        sums[name] = hashed.hexdigest()
    return sums


def patch_id(description: str, tensors: Dict[str, torch.Tensor]) -> str:
    """The id of a patch with this description and these tensors, by their names in the file."""
    hashed = _hash()
    texts, patch = dict(members(description)), json.loads(description)

    def add_text(text: str) -> None:
        data = text.encode()
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)

    def add_tensor(name: str) -> None:
        tensor = tensors[name].contiguous()
        for extent in tensor.shape:
            hashed.update(extent.to_bytes(8, "little"))
        hashed.update(tensor.numpy())

    add_text(patch["base"])
    add_text(patch["editor"])
    add_text(texts["settings"])
    add_text(texts["request"])
    for site in patch["sites"]:
        add_text(site)
        for name in ("delta",) if f"{site}.delta" in tensors else ("up", "down"):
            add_tensor(f"{site}.{name}")
    for site in patch.get("keys", []):
        add_text(site)
        add_tensor(f"{site}.keys")
        if f"{site}.gradients" in tensors:
            add_tensor(f"{site}.gradients")
    if "memory" in patch:
        memory = dict(members(texts["memory"]))
        for name in sorted(patch["memory"]["network"]):
            add_text(name)
            add_tensor(f"memory.network.{name}")
        if patch["memory"]["reading"] is not None:
            add_text(memory["reading"])
        facts = [dict(members(entry))["facts"] for entry in _elements(memory["entries"])]
        for number, entry in enumerate(patch["memory"]["entries"]):
            add_text(entry["name"])
            add_text(facts[number])
            for name in sorted(entry["tensors"]):
                add_text(name)
                add_tensor(f"memory.{number}.{name}")
    return hashed.hexdigest()


def _elements(text: str) -> Iterator[str]:
    """The texts of the elements of a JSON array in compact notation."""
    decoder = json.JSONDecoder()
    at = 1
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        at = end + (text[end] == ",")


def _check(name: str, metadata: Dict[str, str], tensors: Dict[str, torch.Tensor]) -> None:
    """Raises emend.Error unless the content of a patch is that which was saved."""
    hint = "Hint: make the patch again with `emend edit`, or fetch an intact copy"
    description = metadata["patch"]
    if metadata["version"] != "1":
        if "checksums" not in metadata:
            raise Error(f"'{name}' is missing its checksums. {hint}")
        saved, now = json.loads(metadata["checksums"]), checksums(description)
        for key in now:
            if saved.get(key) != now[key]:
                raise Error(f"'{name}' has a field '{key}' that was changed after it was saved. {hint}")
        for key in saved:
            if key not in now:
                raise Error(f"'{name}' is missing the field '{key}'. {hint}")
    if patch_id(description, tensors) != json.loads(description)["id"]:
        raise Error(f"'{name}' has a tensor or a field that was changed after the patch was made (its "
                    f"id differs). {hint}")


def read_patch_file(path: Union[str, os.PathLike]) -> PatchFile:
    """Reads the weight changes of a patch. Raises emend.Error if the file is not a patch, or if its
    content does not match its checksums and its id."""
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
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        _check(name, metadata, tensors)
        deltas: Dict[str, Any] = {}
        for site in patch["sites"]:
            if f"{site}.delta" in tensors:
                deltas[site] = tensors[f"{site}.delta"]
            else:
                deltas[site] = (tensors[f"{site}.up"], tensors[f"{site}.down"])
        entries = patch.get("memory", {}).get("entries", [])
        return PatchFile(patch["id"], patch["base"], patch["editor"], deltas, entries)
    except (SafetensorError, LookupError, AttributeError, TypeError, ValueError) as damage:
        raise Error(f"'{name}' is damaged: {damage}. Hint: make the patch again") from damage
