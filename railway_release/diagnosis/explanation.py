"""Explanations: what the text of an error is about."""

from __future__ import annotations

from dataclasses import dataclass

from railway_release.diagnosis.causes import Cause


@dataclass(frozen=True)
class Explanation:
    """What an error is about; the fields are in the order in which a person needs them."""

    error: str
    verdict: str  # one sentence
    about: str  # the model and where it belongs; empty for a name that no model has
    causes: tuple[Cause, ...]  # the likeliest first
    there: tuple[str, ...] = ()  # schemas
    absent: tuple[str, ...] = ()
