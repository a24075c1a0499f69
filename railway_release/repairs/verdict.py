"""Whether `fake` may record a migration as applied, or delete its record."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from railway_release.migrations.disk import Graph
from railway_release.migrations.operations import opaque
from railway_release.migrations.outcome import Key, dotted, in_words
from railway_release.repairs.proof import Proof
from railway_release.runtime.text import some

_MOST = 20  # nobody reads more than that


def against_recording(steps: Sequence[Key], graph: Graph, proof: Proof, *, data_is_done: bool) -> str:
    """Why these migrations may not be recorded as applied; empty if they may."""
    if proof.inconsistent:
        return proof.inconsistent
    if proof.missing:
        return f"not all that it makes is there: {some(proof.missing, _MOST)}"
    return "" if data_is_done else _unproven(steps, graph, "did")


def built_on(key: Key, graph: Graph, applied: Collection[Key]) -> str:
    """Why its record cannot be deleted, whatever the schema holds; empty if it can."""
    dependent = [one for one in graph.graph.backwards_plan(key) if one in applied and one != key]
    return f"recorded migrations depend on it: {in_words(tuple(dependent))}" if dependent else ""


def against_forgetting(key: Key, graph: Graph, proof: Proof, *, data_is_done: bool) -> str:
    """Why its record may not be deleted; empty if it may."""
    if proof.inconsistent:
        return proof.inconsistent
    if proof.there:
        return f"something of it is there: {some(proof.there, _MOST)}"
    if not proof.missing and not data_is_done:
        return _unproven([key], graph, "did") or "it makes nothing that could be missing"
    return "" if data_is_done else _unproven([key], graph, "has left")


def _unproven(steps: Sequence[Key], graph: Graph, verb: str) -> str:
    for key in steps:
        if operations := opaque(graph.graph.nodes[key]):
            its = f"its {', '.join(dict.fromkeys(operations))}"
            whose = its if len(steps) == 1 else f"{its.removeprefix('its ')} in {dotted(key)}"
            return f"nobody can see what {whose} {verb}; if you have seen to that, add --data-is-done"
    return ""


def unknown(key: Key, graph: Graph) -> str:
    """Why a schema with these records knows no such migration; empty if it does."""
    if key in graph.graph.nodes:
        return ""
    squashes = [one for one, squash in graph.replacements.items() if key in squash.replaces]
    return (
        f"it is replaced by {in_words(tuple(squashes)) or 'a squash'}"
        if squashes
        else f"{dotted(key)} is not on disk"
    )
