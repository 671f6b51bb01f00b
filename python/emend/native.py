"""Imports the compiled part of the package."""

import torch

from emend import _build
from emend.errors import Error

if torch.__version__ != _build.torch_version:
    raise Error(
        f"emend was compiled for torch {_build.torch_version}, but torch {torch.__version__} is "
        "installed. Install emend again: pip install --force-reinstall --no-deps ."
    )

from emend import _native  # noqa: E402

__all__ = ["_native"]
