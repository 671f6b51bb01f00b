"""The result of a comparison of editors."""

import json
from html import escape
from pathlib import Path
from typing import Any, Dict, List


class BenchResult:
    """The results of `emend.bench`, or of a folder that `emend bench` has written:
    `BenchResult.open("runs/first")`.
    """

    def __init__(self, folder: str, results: Dict[str, Any]):
        self.folder = Path(folder)
        self.results = results

    @classmethod
    def open(cls, folder) -> "BenchResult":
        return cls(folder, json.loads((Path(folder) / "results.json").read_text()))

    @property
    def scores(self) -> Dict[str, Dict[str, float]]:
        """The protocol scores from 0 to 1 by editor and group: scores["ft:language"]["reliability"].
        "base" is the unedited model."""
        return {
            editor["label"]: {group: one["score"] for group, one in editor["groups"].items()}
            for editor in self.results["editors"]
        }

    @property
    def generated(self) -> Dict[str, Dict[str, float]]:
        """The same for generated answers."""
        return {
            editor["label"]: {group: one["generated"] for group, one in editor["groups"].items()}
            for editor in self.results["editors"]
        }

    @property
    def records(self) -> List[Dict[str, Any]]:
        """The lines of samples.jsonl: one dict for each editor and record."""
        with open(self.folder / "samples.jsonl") as lines:
            return [json.loads(line) for line in lines]

    @property
    def report(self) -> Path:
        """The report page, report.html."""
        return self.folder / "report.html"

    def to_pandas(self, what: str = "scores"):
        """A pandas.DataFrame.

        what: "scores" or "generated": editors as rows, groups as columns; "probes": a row for each
            probe of each record and editor.
        """
        import pandas

        if what in ("scores", "generated"):
            return pandas.DataFrame.from_dict(getattr(self, what), orient="index")
        if what != "probes":
            raise ValueError(f"what is 'scores', 'generated' or 'probes', not {what!r}")
        rows = [
            {"editor": record["editor"], "record": record["record"], **probe}
            for record in self.records
            for probe in record.get("probes", [])
        ]
        return pandas.DataFrame(rows)

    def _groups(self) -> List[str]:
        groups: Dict[str, None] = {}
        for scores in self.scores.values():
            groups.update(dict.fromkeys(scores))
        return list(groups)

    def _repr_html_(self) -> str:
        groups = self._groups()
        head = "".join(f"<th>{escape(group)}</th>" for group in groups)
        rows = "".join(
            f"<tr><td>{escape(label)}</td>"
            + "".join(f"<td>{_percent(scores.get(group))}</td>" for group in groups)
            + "</tr>"
            for label, scores in self.scores.items()
        )
        return f"<table><tr><th>percent</th>{head}</tr>{rows}</table>"

    def __repr__(self) -> str:
        groups = self._groups()
        rows = [["", *groups]]
        for label, scores in self.scores.items():
            rows.append([label, *(_percent(scores.get(group)) for group in groups)])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.rjust(width) if i else cell.ljust(width)
                      for i, (cell, width) in enumerate(zip(row, widths)))
            for row in rows
        )


def _percent(score) -> str:
    return "-" if score is None else f"{100 * score:.1f}"
