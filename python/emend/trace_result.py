"""The result of a causal trace."""

from typing import Any, Dict, List, NamedTuple

import torch


class Map(NamedTuple):
    """The effects of one component (residual, attention or mlp) of one module. `window` is the
    number of layers that were restored together."""

    corrupted: str  # "image" or "text"
    module: str  # "language", "connector" or "vision_tower"
    component: str
    window: int
    groups: List[str]  # the rows: groups of positions, such as "last"
    layers: List[str]  # the columns
    effects: torch.Tensor  # (groups, layers): the indirect effects on the probability of the answer
    log_effects: torch.Tensor  # (groups, layers): on the mean log probability, in nats


def _matrix(rows: List[List[Any]]) -> torch.Tensor:
    return torch.tensor([[float("nan") if x is None else x for x in row] for row in rows],
                        dtype=torch.float64)


class Trace:
    """The result of `emend.trace`. In a notebook, it is shown as a heat map."""

    def __init__(self, facts: Dict[str, Any]):
        self.figures: Dict[str, str] = facts.pop("figures")  # an SVG for each corruption
        self.facts = facts  # the object of trace.json of `emend trace`

    @property
    def target(self) -> str:
        """The traced answer."""
        return self.facts["target"]

    @property
    def summary(self) -> str:
        """Where the answer was found, in a few lines."""
        return "\n".join([*self.facts["summary"], *self.facts["notes"]])

    @property
    def maps(self) -> List[Map]:
        """All heat maps."""
        return [
            Map(
                runs["corrupted"], one["module"], one["component"], one["window"], one["groups"],
                one["layers"], _matrix(one["indirect_effect"]["probability"]),
                _matrix(one["indirect_effect"]["log_probability"]),
            )
            for runs in self.facts["runs"]
            for one in runs["maps"]
        ]

    @property
    def effects(self) -> Dict[str, torch.Tensor]:
        """The indirect effects (groups, layers) by "corrupted/module/component/window", such as
        "image/language/residual/1". `maps` has the names of rows and columns."""
        return {
            f"{one.corrupted}/{one.module}/{one.component}/{one.window}": one.effects
            for one in self.maps
        }

    def _repr_html_(self) -> str:
        return "\n".join(self.figures.values())

    def __repr__(self) -> str:
        return f"<emend.Trace of {self.target.strip()!r}>\n{self.summary}"
