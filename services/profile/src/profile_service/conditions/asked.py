"""What a condition or Value asks for by name, each with its path in the tree: what an asker must be allowed to see."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from contracts.conditions import (
    ComputedValue,
    DistanceValue,
    LifecycleCondition,
    PercentileCondition,
    PointsValue,
    RankCondition,
    RelationDate,
    SegmentCondition,
    SignCondition,
)
from contracts.relations import plain_label
from profile_service.conditions.library import LIFECYCLE, Library, Reference, Tree, cuts_key

AskedKind = Literal["trait", "event", "relation", "purpose", "property", "purchases", "reference"]

_NAMING_FIELDS: dict[str, AskedKind] = {"trait": "trait", "event": "event", "property": "property"}
"""Fields of the contract's nodes that name a trait, an event or its property, whatever the node."""


@dataclass(frozen=True)
class Asked:
    """A name that a tree asks for; `purchases` has none, a `reference` is to another definition.

    `purchases` are a measure of RFM: what its cut points were taken of, which `reference` leads to, where they were.
    """

    path: str
    kind: AskedKind
    name: str = ""
    reference: Reference | None = None


def asked_by(tree: BaseModel, path: str) -> Iterator[Asked]:
    """Every name in a tree as it was written, in order, with the path of the field that says it."""
    yield from _asked_by_node(tree, path)
    for name in type(tree).model_fields:
        value = getattr(tree, name)
        if name in _NAMING_FIELDS and isinstance(value, str):
            yield Asked(f"{path}.{name}", _NAMING_FIELDS[name], value)
        elif isinstance(value, BaseModel):
            yield from asked_by(value, f"{path}.{name}")
        elif isinstance(value, list):
            nodes = ((place, item) for place, item in enumerate(value) if isinstance(item, BaseModel))
            for place, item in nodes:
                yield from asked_by(item, f"{path}.{name}.{place}")


def _asked_by_node(node: BaseModel, path: str) -> Iterator[Asked]:
    """What a node asks for that its fields do not say by themselves."""
    match node:
        case SegmentCondition():
            yield Asked(f"{path}.segment", "reference", reference=("segment", node.segment))
        case SignCondition():
            yield Asked(f"{path}.sign", "reference", reference=("sign", node.sign))
        case ComputedValue():
            yield Asked(f"{path}.key", "reference", reference=("computed", node.key))
        case RankCondition() | PointsValue() | DistanceValue():
            yield Asked(path, "reference", reference=("ranks", node.table))
        case LifecycleCondition():
            yield Asked(path, "reference", reference=LIFECYCLE)
        case RelationDate():
            yield Asked(f"{path}.relation", "relation", plain_label(node.relation))
            yield Asked(f"{path}.purpose", "purpose", node.purpose)
        case PercentileCondition():
            kind: AskedKind = "purchases" if isinstance(node.of, str) else "reference"
            yield Asked(f"{path}.of", kind, reference=("cuts", cuts_key(node)))


def trees_of(library: Library, reference: Reference) -> tuple[Tree, ...]:
    """The published trees behind a reference; none for one that is not there."""
    kind, key = reference
    if kind == "segment":
        found: tuple[Tree | None, ...] = (library.segments.get(key),)
    elif kind == "sign":
        found = (library.signs[key].condition,) if key in library.signs else ()
    elif kind == "computed":
        found = (library.computed.get(key),)
    elif kind == "lifecycle":
        found = tuple(condition for _, condition in library.lifecycle)
    elif kind == "ranks" and key in library.ranks:
        table = library.ranks[key]
        found = (table.measure, *(rank.condition for rank in table.ranks))
    elif kind == "cuts":
        found = (library.cuts[key].value,) if key in library.cuts else ()
    else:
        found = ()
    return tuple(tree for tree in found if tree is not None)
