"""Applies patches to models of Hugging Face transformers while they run.

    import transformers, emend.hf

    model = transformers.Blip2ForConditionalGeneration.from_pretrained("models/scenes-blip2")
    with emend.hf.apply(model, "fozzim.patch"):
        model.generate(...)          # the edited model
    model.generate(...)              # the model as it was, bit for bit

This module requires torch. Patch files also require safetensors and xxhash. It does not need the compiled part of
emend.
"""

import os
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

import torch

from emend.errors import Error
from emend.patch_file import read_patch_file

Delta = Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]
PatchLike = Any  # emend.Patch, emend.patch_file.PatchFile, or the path of a patch file

# Beginnings of layer names in patches, and what releases of transformers call them.
_NAMES = (
    ("", ""),
    ("", "model."),
    ("language_model.model.", "model.language_model."),
    ("language_model.model.", "language_model."),
    ("language_model.lm_head", "lm_head"),
    ("vision_tower.vision_model.", "model.vision_tower."),
    ("vision_tower.vision_model.", "vision_tower."),
    ("model.", ""),
)


def _paths(site: str) -> Iterator[str]:
    for own, other in _NAMES:
        if site.startswith(own):
            yield other + site[len(own):]


def _shape_of(module: Any) -> Tuple[int, ...]:
    if hasattr(module, "out_features") and hasattr(module, "in_features"):
        return (module.out_features, module.in_features)  # also of quantized layers
    weight = getattr(module, "weight", None)
    return tuple(weight.shape) if isinstance(weight, torch.Tensor) else ()


def layer_of(model: torch.nn.Module, site: str) -> torch.nn.Module:
    """The layer of a transformers model that a patch calls `site`. Names of older and newer releases
    of transformers are found. Raises emend.Error if the model has no such layer."""
    modules = dict(_base(model).named_modules())
    for path in _paths(site):
        if path in modules:
            return modules[path]
    raise Error(
        f"{type(model).__name__} has no layer '{site}'. Hint: the patch belongs to another model"
    )


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # of PEFT


class _Change:
    """A forward hook that adds x delta^T to the output of a layer. As in emend, the product is
    computed in float32, and the sum is rounded once."""

    def __init__(self, deltas: Sequence[Delta]):
        self.deltas = list(deltas)

    def to(self, device: torch.device) -> None:
        def moved(delta):
            if isinstance(delta, torch.Tensor):
                return delta.to(device)
            return tuple(factor.to(device) for factor in delta)

        self.deltas = [moved(delta) for delta in self.deltas]

    def __call__(self, module, args, kwargs, output):
        x = args[0] if args else next(iter(kwargs.values()))
        first = self.deltas[0]
        if (first if isinstance(first, torch.Tensor) else first[0]).device != x.device:
            self.to(x.device)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            total = output.to(torch.promote_types(output.dtype, torch.float32))
            for delta in self.deltas:
                if isinstance(delta, torch.Tensor):
                    total = total + torch.nn.functional.linear(x, delta)
                else:
                    up, down = delta
                    inner = torch.nn.functional.linear(x, down)
                    total = total + torch.nn.functional.linear(inner, up)
            return total.to(output.dtype)


class Applied:
    """Patches on a transformers model, as `apply` returns them. Also a context."""

    def __init__(self, hooks: Dict[str, Any], ids: List[str]):
        self._hooks = hooks
        self.layers = list(hooks)  # the names in the patches
        self.ids = ids

    def remove(self) -> None:
        """Removes the patches. The weights were never written, so the model is bit for bit what it
        was. Several calls of `apply` can be removed in any order."""
        for hook in self._hooks.values():
            hook.remove()
        self._hooks = {}

    def __enter__(self) -> "Applied":
        return self

    def __exit__(self, *exception) -> None:
        self.remove()

    def __repr__(self) -> str:
        state = f"{len(self.layers)} layers" if self._hooks else "removed"
        return f"<emend.hf.Applied {', '.join(id[:12] for id in self.ids)}: {state}>"


def _opened(patch: PatchLike) -> Any:
    if isinstance(patch, (str, os.PathLike)):
        return read_patch_file(patch)
    if not hasattr(patch, "deltas"):
        raise Error(
            f"a patch cannot be {type(patch).__name__}. Hint: give an emend.Patch, or the path of a "
            "patch file"
        )
    return patch


def apply(model: torch.nn.Module, patches: Union[PatchLike, Sequence[PatchLike]]) -> Applied:
    """Adds the weight changes of patches to a running transformers model.

    model: on any device and in any dtype, also in a model of PEFT. Its weights are not written: the
        changes are added to the outputs of the layers.
    patches: an emend.Patch, the path of a patch file, or a list of these.

    Raises emend.Error if a patch file is damaged, if a patch answers from a memory (ledger, serac,
    ike, grace, wise, liveedit), which only emend can do, or if a layer is missing or has another shape. Only
    names and shapes are compared with the model: use the model that the patch was made for.
    """
    if not isinstance(model, torch.nn.Module):
        raise Error(
            f"a model cannot be {type(model).__name__}. Hint: give the object of from_pretrained"
        )
    many = patches if isinstance(patches, (list, tuple)) else [patches]
    opened = [_opened(patch) for patch in many]
    by_site: Dict[str, List[Delta]] = {}
    for patch in opened:
        if patch.entries or not patch.deltas:
            raise Error(
                f"patch {patch.id[:12]} of {patch.editor} answers from a memory, which no weight can "
                "express. Hint: use emend.load and Model.patched, or an editor that changes weights, "
                "such as ft, lora or memit"
            )
        for site, delta in patch.deltas.items():
            by_site.setdefault(site, []).append(delta)
    layers = {site: layer_of(model, site) for site in by_site}
    for site, layer in layers.items():
        for delta in by_site[site]:
            if isinstance(delta, torch.Tensor):
                shape = tuple(delta.shape)
            else:
                shape = (delta[0].shape[0], delta[1].shape[1])
            if shape != _shape_of(layer):
                raise Error(
                    f"the change of '{site}' has the shape {shape}, but the layer has "
                    f"{_shape_of(layer)}. Hint: the patch belongs to another model"
                )
    hooks = {
        site: layer.register_forward_hook(_Change(by_site[site]), with_kwargs=True)
        for site, layer in layers.items()
    }
    return Applied(hooks, [patch.id for patch in opened])
