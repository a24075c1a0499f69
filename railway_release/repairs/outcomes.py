"""Outcomes of repairs: several tries at one schema as one, and a repair with the migrations after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from railway_release.migrations.outcome import Outcome, dotted
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan
from railway_release.runtime.text import some

_MOST = 3  # messages of one schema
# Classes of SQLSTATEs that say that a statement is refused, and will be again: not supported, data, rows that
# break a rule, dependent objects, names and privileges, errors that SQL has raised.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSALS = ("0A", "22", "23", "2B", "42", "55000", "P0")


def is_refusal(outcome: Outcome) -> bool:
    """Whether the server has refused a statement, rather than being busy or gone."""
    return outcome.state == "failed" and outcome.sqlstate.startswith(_REFUSALS)


def in_one(ended: Sequence[Outcome], refused: Mapping[Named, Refusal]) -> Outcome:
    """One outcome from several tries; where the server refused something, that of the first refusal."""
    first, last = ended[0], ended[-1]
    if not refused:
        return last
    messages = [*dict.fromkeys(one.why for one in refused.values())]
    return replace(
        first,
        message="; ".join(messages[:_MOST])
        + (f"; and {len(messages) - _MOST} more" if messages[_MOST:] else ""),
        duration=sum(one.duration for one in ended),
        attempts=sum(one.attempts for one in ended),
        statements=sum(one.statements for one in ended),
    )


def in_words(repair_plan: RepairPlan) -> tuple[str, ...]:
    """What was done of a plan."""
    repaired = (f"repaired {id} {object}" for id, object in repair_plan.repairs)
    return (*repaired, *(f"recorded {dotted(key)}" for key in repair_plan.records))


def joined(repaired: Outcome, released: Outcome) -> Outcome:
    """One outcome of a schema that was repaired and then migrated."""
    state = "repaired" if released.state in ("current", "migrated") else released.state
    return replace(
        released,
        state=state,
        repairs=repaired.repairs,
        duration=repaired.duration + released.duration,
        attempts=repaired.attempts + released.attempts,
        statements=repaired.statements + released.statements,
    )


def with_refusals(outcome: Outcome, repair_plan: RepairPlan) -> Outcome:
    """An outcome that says what was left as it is; the reason stands with the plan."""
    gone = outcome.state == "skipped" and outcome.message
    if not repair_plan.refusals or outcome.state == "not reached" or gone:
        return outcome
    objects = some([f"{one.id} {one.object}" for one in repair_plan.refusals], 3)
    return replace(outcome, state="refused", message=f"left as it is: {objects}", hint="")
