"""Verdicts on a missing table or column: a cause, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import Model

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, badness, cause
from railway_release.diagnosis.subjects import Subject
from railway_release.preflight.routing import shared_setting, tenants_setting
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schemas_in_words, some

SubjectState = Literal[  # in one schema
    "there",
    "elsewhere",  # it belongs in other schemas, and is not here
    "pending",
    "ghost",
    "masked",
    "inconsistent",
    "unmigrated",
    "no schema",
]
_ABSENT: tuple[SubjectState, ...] = ("pending", "ghost", "masked", "inconsistent", "unmigrated", "no schema")


@dataclass(frozen=True)
class Case:
    """A table or column, the schemas by its state there, and the migration that makes it."""

    subject: Subject
    by_state: Mapping[SubjectState, tuple[str, ...]]
    made_by: str  # app.migration, or nothing
    named: str = ""  # the schema that the error names, which alone was looked at

    def within(self, schema: str) -> Case:
        """The same for one schema alone."""
        by_state = {state: (schema,) for state, names in self.by_state.items() if schema in names}
        return Case(self.subject, by_state, self.made_by, schema)

    @property
    def absent(self) -> tuple[str, ...]:
        """The schemas that should have it and do not."""
        return tuple(name for state in _ABSENT for name in self.by_state.get(state, ()))

    @property
    def maker(self) -> str:
        """The migration, in words."""
        return self.made_by or f"the migration that creates {self.subject}"


@dataclass(frozen=True)
class Verdict:
    """A cause, and the sentence that says it first."""

    sentence: str
    cause: Cause


_BEFORE = "; if the error is older than the last release or repair, that may have been the end of it"
# By what a table looks like, the causes that can have led to it.
WAYS = {"table.ghost": ("template.stale",), "table.masked": ("app.moved", "template.stale")}
_BECAUSE = {
    "app.moved": "its app was moved to {tenants} after its migrations were recorded there",
    "template.stale": "it was cloned from a template that lacks it, too",
}


def because(one: Verdict, way: Cause) -> Verdict:
    """The verdict with the way that led to it."""
    return Verdict(f"{one.sentence.rstrip('.')}: {_BECAUSE[way.id].format(tenants=tenants_setting())}.", way)


def of(case: Case, schema: str = "") -> Iterator[Verdict]:
    """The verdicts on a table or column, the likeliest first; `schema` is the one that the error named."""
    makers: dict[SubjectState, Callable[[Case, Sequence[str]], Verdict]] = {
        "pending": _pending,
        "ghost": _ghost,
        "masked": _masked,
        "inconsistent": _inconsistent,
        "unmigrated": _unmigrated,
        "no schema": _no_schema,
    }
    found = [make(case, case.by_state[state]) for state, make in makers.items() if state in case.by_state]
    found.sort(key=lambda one: (bool(schema) and schema not in one.cause.schemas, badness(one.cause)))
    yield from found


def _pending(case: Case, names: Sequence[str]) -> Verdict:
    sentence = f"{_capital(case.maker)} never ran in {schemas_in_words(names)}."
    seen = f"{case.subject} is not there, and its migration is pending, in {schemas_in_words(names)}"
    return Verdict(sentence, cause("release.never_ran", seen, PROGRAM, names))


def _ghost(case: Case, names: Sequence[str]) -> Verdict:
    what, where = case.subject.kind, schemas_in_words(names)
    sentence = f"{_capital(case.maker)} is recorded as applied in {where}, but its {what} is not there."
    id = "column.missing" if case.subject.column else "table.ghost"
    return Verdict(sentence, cause(id, f"{case.subject} in {where}", commands.repair(names), names))


def _masked(case: Case, names: Sequence[str]) -> Verdict:
    where = schemas_in_words(names)
    sentence = (
        f"The {case.subject.kind} is missing in {where}, whose queries reach the shared schema's instead."
    )
    seen = f"{case.subject} is not in {where}, but in the shared schema"
    return Verdict(sentence, cause("table.masked", seen, commands.repair(names), names))


def _inconsistent(case: Case, names: Sequence[str]) -> Verdict:
    sentence = (
        f"The migration records of {schemas_in_words(names)} contradict each other, so it never ran there."
    )
    seen = f"{case.subject} is not there, in {schemas_in_words(names)}"
    return Verdict(sentence, cause("records.inconsistent", seen, commands.repair(names), names))


def _unmigrated(case: Case, names: Sequence[str]) -> Verdict:
    app = case.subject.model._meta.app_label
    sentence = f"The code has {case.subject}, but no migration on disk creates it."
    seen = f"{case.subject.model._meta.label} has changed without a migration"
    return Verdict(sentence, cause("model.unmigrated", seen, f"python manage.py makemigrations {app}", names))


def _no_schema(case: Case, names: Sequence[str]) -> Verdict:
    sentence = f"The tenant {schemas_in_words(names)} has a row but no schema, so it has no table at all."
    if len(names) > 1:
        sentence = (
            f"{schemas_in_words(names)} have tenant rows but do not exist, so they have no table at all."
        )
    seen = f"a tenant row without a schema: {some(names)}; {case.subject} would be one of its tables"
    return Verdict(sentence, cause("schema.missing", seen, commands.create_schema(names), names))


def deletion(case: Case, shared: Sequence[type[Model]], deleting: bool) -> Verdict:
    """The verdict where only tenants have it, and deleting a shared object asks for it."""
    labels = some([one._meta.label for one in shared], 3)
    how = "that is what happened here" if deleting else "or a query was sent from the shared schema"
    who = "The shared schema" if case.absent else "Only the shared schema"
    sentence = (
        f"{who} lacks {case.subject}, rightly: deleting {labels} there asks for it ({how}). "
        "No migration cures that."
    )
    seen = f"deleting {labels} in the shared schema asks for {case.subject}{_BEFORE}"
    return Verdict(sentence, cause("deletion.shared", seen, commands.delete_everywhere()))


def queried(case: Case) -> Verdict:
    """The verdict where only tenants have it, and a query asked for it in the shared schema."""
    sentence = f"Only the shared schema lacks {case.subject}, rightly: it was queried from there."
    seen = f"every tenant that should have {case.subject} has it{_BEFORE}"
    return Verdict(sentence, cause("shared.queried", seen, commands.ENTER_TENANT))


def no_such_schema(name: str) -> Verdict:
    """The verdict where the error names a schema that does not exist."""
    sentence = f"There is no schema {name} in this database, and no tenant of that name."
    seen = f"the error names {name}"
    return Verdict(sentence, cause("name.unknown", seen, commands.COMPARE_DATABASES))


def homeless(case: Case) -> Verdict:
    """The verdict where the routers want it in no schema."""
    app = case.subject.model._meta.app_config.name
    sentence = f"{app} is in INSTALLED_APPS, but its tables belong in no schema."
    seen = f"the routers allow {case.subject.model._meta.label} neither in the shared schema nor in tenants"
    return Verdict(
        sentence,
        cause(
            "app.homeless", seen, f"add {app!r} to {shared_setting()} or {tenants_setting()}, then {PROGRAM}"
        ),
    )


def nothing_missing(case: Case) -> Verdict:
    """The verdict where every schema has what it should."""
    there = case.by_state.get("there", ())
    if case.named in case.by_state.get("elsewhere", ()):
        sentence = f"{case.named} lacks {case.subject}, rightly: it was queried where it does not belong."
        seen = f"the error names {case.named}.{case.subject}"
        return Verdict(sentence, cause("shared.queried", seen, commands.ENTER_TENANT))
    where = f"in {case.named}" if case.named else "in every schema that should have it"
    sentence = f"{_capital(str(case.subject))} is there now, {where}; the error is from before."
    if not there:
        return Verdict(
            f"No schema should have {case.subject} yet.",
            cause("nothing.missing", "no schema should have it yet", commands.COMPARE_DATABASES),
        )
    seen = f"{case.subject} is there in {schemas_in_words(there)}"
    return Verdict(sentence, cause("nothing.missing", seen, commands.COMPARE_DATABASES))


def _capital(text: str) -> str:
    """The text with a capital letter, unless it begins with a name."""
    return text[0].upper() + text[1:] if text.startswith("the ") else text
