"""Pictures as users give them."""

import os
from typing import Any, List, Sequence, Union

import numpy

from emend.errors import Error

Image = Any  # a path, PIL.Image.Image, numpy.ndarray or torch.Tensor; None: no picture
Images = Union[Image, Sequence[Image]]  # a picture, or a list of the pictures of a prompt


def to_native(image: Image) -> Union[None, str, numpy.ndarray]:
    """Returns None, the path of a file, or an array (H, W, 3) of uint8.

    image: a path; a PIL image; an array (H, W, 3) of uint8; or a torch tensor, (H, W, 3) or
    (3, H, W), of uint8 or of floating-point values from 0 to 1.
    """
    if image is None or isinstance(image, str):
        return image
    if isinstance(image, os.PathLike):
        return os.fspath(image)
    if hasattr(image, "convert"):  # PIL
        return numpy.asarray(image.convert("RGB"))
    if hasattr(image, "detach"):  # torch
        image = image.detach().cpu()
        if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
            image = image.permute(1, 2, 0)
        if image.is_floating_point():
            image = (image * 255).round().clamp(0, 255).byte()
        image = image.numpy()
    if not isinstance(image, numpy.ndarray) or image.dtype != numpy.uint8:
        kind = image.dtype if isinstance(image, numpy.ndarray) else type(image).__name__
        raise Error(
            f"a picture cannot be {kind}. Hint: give a path, a PIL image, a NumPy array of uint8, or "
            "a torch tensor"
        )
    return numpy.ascontiguousarray(image)


def all_to_native(images: Images) -> List[Union[str, numpy.ndarray]]:
    """Returns the pictures of a prompt: none, one, or those of a list, in their order."""
    several = list(images) if isinstance(images, (list, tuple)) else [images]
    if len(several) > 1 and any(image is None for image in several):
        raise Error("a list of pictures has None. Hint: give only the pictures of the prompt")
    return [to_native(image) for image in several if image is not None]
