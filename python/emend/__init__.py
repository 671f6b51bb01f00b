"""Edits facts in vision-language models, and measures the side effects.

    import emend

    model = emend.load()                                     # the bundled model
    model.ask("What is the name of the creature?", image="picture.png")
    patch = model.edit("What is the name of the creature?", "Fozzim", image="picture.png")
    with model.patched(patch):
        model.ask("What is the name of the creature?", image="picture.png")
    patch.save("fozzim.patch")

`emend.hf` applies patches to models of Hugging Face transformers. It does not need the compiled part
of the package.
"""

from emend.errors import Error

# Names that need the compiled part are imported when they are first used.
_MODULES = {
    "BenchResult": "emend.bench_result",
    "Model": "emend.model",
    "Patch": "emend.patch",
    "Suite": "emend.suites",
    "Trace": "emend.trace_result",
    "__version__": "emend._build:version",
    "bench": "emend.suites",
    "editors": "emend.model",
    "hf": "emend.hf",
    "load": "emend.model",
    "load_patch": "emend.patch",
    "merge": "emend.patch",
    "trace": "emend.tracing",
}

__all__ = ["Error", *_MODULES]


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'emend' has no attribute '{name}'")
    import importlib

    module, _, attribute = _MODULES[name].partition(":")
    value = importlib.import_module(module)
    if module != "emend." + name:
        value = getattr(value, attribute or name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_MODULES})
