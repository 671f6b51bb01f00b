"""The compiled part of emend. The classes and functions for users are in the other modules."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy
import torch

_Image = Union[None, str, numpy.ndarray]
_Report = Optional[Callable[[str, int, int, str], None]]

class OpenModel:
    def __init__(
        self, folder: str, dtype: Optional[str], device: str, chat_template: bool
    ) -> None: ...
    def ask(
        self,
        text: str,
        images: Sequence[_Image],
        patches: Sequence[Patch],
        pattern: str,
        max_new_tokens: Optional[int],
        temperature: float,
        top_p: float,
        seed: int,
    ) -> str: ...
    def logits(
        self,
        text: str,
        images: Sequence[_Image],
        answer: str,
        patches: Sequence[Patch],
        pattern: str,
    ) -> torch.Tensor: ...
    def fingerprint(self) -> str: ...
    def describe(self) -> Dict[str, Any]: ...

class Patch:
    @property
    def id(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def editor(self) -> str: ...
    @property
    def made_by(self) -> str: ...
    @property
    def settings(self) -> Any: ...
    @property
    def request(self) -> Any: ...
    @property
    def effect(self) -> Any: ...
    @property
    def deltas(self) -> Dict[str, Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]]: ...
    @property
    def entries(self) -> List[Dict[str, Any]]: ...
    def save(self, path: str) -> None: ...

class Suite:
    def __init__(self, options: Dict[str, Any]) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Dict[str, Any]: ...
    def metadata(self) -> Dict[str, Any]: ...

def load_patch(path: str) -> Patch: ...
def merge_patches(patches: Sequence[Patch]) -> Patch: ...
def edit(
    model: OpenModel,
    prompt: str,
    target: str,
    image: _Image,
    editor: str,
    module: str,
    settings: Dict[str, Any],
    subject: str,
    rephrasings: List[str],
    rephrase_images: List[_Image],
    follows: List[Tuple[str, str]],
    locality: List[Tuple[str, str, _Image]],
    probes: int,
    protocol: str,
    pattern: str,
    seed: int,
    base: Sequence[Patch],
    progress: _Report,
) -> Tuple[Patch, Dict[str, Any]]: ...
def export(
    model: OpenModel,
    patches: Sequence[Patch],
    format: str,
    output: str,
    dtype: str,
    rank: Optional[int],
    max_error: Optional[float],
    pre_tokenizer: str,
    progress: _Report,
) -> Dict[str, Any]: ...
def editors() -> List[Dict[str, Any]]: ...
def suites() -> List[str]: ...
def bench(model: OpenModel, options: Dict[str, Any], progress: _Report) -> Dict[str, Any]: ...
def trace(
    model: OpenModel,
    prompt: str,
    image: _Image,
    target: str,
    subject: str,
    settings: Dict[str, Any],
    other_image: _Image,
    other_words: str,
    patches: Sequence[Patch],
    pattern: str,
    progress: _Report,
) -> Dict[str, Any]: ...
