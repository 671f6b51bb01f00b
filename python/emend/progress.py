"""The progress of long work."""

import sys
from typing import Any, Callable, Optional, Union

# A function of (part, done, total, note). `part` is what is done, such as "editing"; `total` is 0 if
# it is unknown; `note` is a text such as "loss 0.31", or empty.
Report = Callable[[str, int, int, str], None]
Progress = Union[None, bool, Report]


class Bar:
    """A progress bar of tqdm for each part."""

    def __init__(self, tqdm: Any):
        self.tqdm = tqdm
        self.bar: Any = None
        self.part, self.total = "", 0

    def __call__(self, part: str, done: int, total: int, note: str) -> None:
        if self.bar is None or part != self.part or done < self.bar.n or total != self.total:
            self.close()
            self.part, self.total = part, total
            self.bar = self.tqdm(desc=part, total=total or None, leave=False)
        if note:
            self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class Lines:
    """A line on stderr for each part."""

    def __init__(self):
        self.part = ""

    def __call__(self, part: str, done: int, total: int, note: str) -> None:
        if part != self.part:
            self.part = part
            print(f"emend: {part}", file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class Function:
    """The user's function."""

    def __init__(self, function: Report):
        self.function = function

    def __call__(self, part: str, done: int, total: int, note: str) -> None:
        self.function(part, done, total, note)

    def close(self) -> None:
        pass


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


class watching:
    """A context whose value is the function that shows the progress; None: nothing is shown.

    progress: None shows it on a terminal and in a notebook; True always; False never; or a Report.
    """

    def __init__(self, progress: Progress):
        self.shown: Optional[Any] = None
        if callable(progress):
            self.shown = Function(progress)
        elif progress or (progress is None and (_in_notebook() or sys.stderr.isatty())):
            try:
                from tqdm.auto import tqdm

                self.shown = Bar(tqdm)
            except ImportError:
                self.shown = Lines()

    def __enter__(self):
        return self.shown

    def __exit__(self, *exception):
        if self.shown is not None:
            self.shown.close()
