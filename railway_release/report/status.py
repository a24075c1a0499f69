"""A status as lines: the schemas in groups, then the migrations, one line for those that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from railway_release.migrations.outcome import dotted, in_words
from railway_release.migrations.status import Group, Kind, Mark, SchemaStatus, Status
from railway_release.report.line import Level, Line
from railway_release.runtime.text import count, some

# Together with what every command prints, a status is to fit on one screen.
_NAMES = 5
_GROUPS = 8
_RUNS = 16
_APPS = 6  # as many that are alike have a line each

_EVERYWHERE = "everywhere"


@dataclass(frozen=True)
class Run:
    """Migrations of one app in a row that are in the same schemas."""

    app: str
    names: tuple[str, ...]
    whole: bool  # the app has no others
    marks: tuple[Mark, ...]  # one for each group


def lines(status: Status, *, each_schema: bool) -> Iterator[Line]:
    """The schemas first, then the migrations; a line for each schema if asked for."""
    if status.obstacle:
        yield Line("warning", "release.obstructed", f"No release can start: {status.obstacle}.")
    if not status.tenants_known:
        text = "The tenants cannot be listed before the shared schema is migrated."
        yield Line("warning", "tenants.unknown", text)
    yield from _each_schema(status) if each_schema else _groups(status)
    yield from _misfits(status, _NAMES if not each_schema else None)
    yield from _migrations(status)
    yield from _stale(status)


def _groups(status: Status) -> Iterator[Line]:
    """One line for each group; groups that differ in nothing but stale records are told as one."""
    alike: dict[tuple[object, ...], list[Group]] = {}
    for group in status.groups:
        one = group.status
        key = (group.role, group.type, bool(one.recorded), one.pending, one.ahead, one.inconsistency)
        alike.setdefault(key, []).append(group)
    merged = [
        replace(groups[0], schemas=tuple(sorted(name for group in groups for name in group.schemas)))
        for groups in alike.values()
    ]
    shown = sorted(merged, key=_place)
    for group in shown[:_GROUPS]:
        text = f"{_subject(group, group.schemas)}: {_in_short(status, group)}"
        yield Line(_level(group.status), "schemas.counted", text)
    if rest := shown[_GROUPS:]:
        schemas = count(sum(len(group.schemas) for group in rest), "schema")
        text = f"{schemas} in {count(len(rest), 'more group')}: --schemas shows each"
        yield Line("warning", "schemas.counted", text)


def _place(group: Group) -> tuple[int, int, bool]:
    """The order of groups: by role, then by size, then those that a release cannot fix."""
    return list(_ROLES).index(group.role), -len(group.schemas), _level(group.status) == "info"


def _subject(group: Group, names: Sequence[str]) -> str:
    typed = f" of type {group.type}" if group.type is not None and group.role != "shared" else ""
    if len(names) == 1:
        return f"{_ROLES[group.role]}{typed} {names[0]}"
    return f"{count(len(names), _ROLES[group.role])}{typed} ({some(names, _NAMES)})"


_ROLES = {"shared": "shared schema", "template": "template", "tenant": "tenant"}


def _in_short(status: Status, group: Group) -> str:
    one, parts = group.status, []
    if one.inconsistency:
        parts.append(f"inconsistent, {one.inconsistency}")
    if one.pending:
        parts.append(_pending(status, group))
    if one.ahead:
        parts.append(f"ahead of this code with {in_words(one.ahead)}")
    return "; ".join(parts) or "everything applied"


def _pending(status: Status, group: Group) -> str:
    """The pending migrations; those that change nothing but the records come last."""
    idle = tuple(key for key in group.pending if not status.has_tables(group, key[0]))
    at_work = tuple(key for key in group.pending if key not in idle)
    text = "" if group.status.recorded else "nothing recorded, "
    text += f"{len(at_work)} pending ({in_words(at_work)})" if at_work else ""
    if not idle:
        return text
    return f"{text}{', and ' if at_work else ''}{len(idle)} pending for the record only ({in_words(idle, 1)})"


def _level(one: SchemaStatus) -> Level:
    return "warning" if one.inconsistency or one.ahead else "info"


def _each_schema(status: Status) -> Iterator[Line]:
    """A line for each schema, which names everything that it lacks."""
    everyone = [(group.role != "shared", name, group) for group in status.groups for name in group.schemas]
    for _, name, group in sorted(everyone, key=itemgetter(0, 1)):
        text = f"{_subject(group, [name])}: {_in_full(status, group.status)}"
        yield Line(_level(group.status), "schema.listed", text)


def _in_full(status: Status, one: SchemaStatus) -> str:
    lacking = [key for key in status.migrations if key not in one.held]
    held = len(status.migrations) - len(lacking)
    parts = [f"{held} of {len(status.migrations)} applied"]
    named = (("lacks", lacking), ("in part", one.held_in_part), ("ahead", one.ahead), ("stale", one.stale))
    parts += [f"{word} {', '.join(map(dotted, sorted(keys)))}" for word, keys in named if keys]
    parts += [f"inconsistent, {one.inconsistency}"] if one.inconsistency else []
    return "; ".join(parts)


def _misfits(status: Status, most: int | None) -> Iterator[Line]:
    whys: dict[str, list[str]] = {}
    for one in status.misfits:
        unreadable = "records unreadable: " if one.kind == "unreadable" else ""
        whys.setdefault(f"{unreadable}{one.why}", []).append(one.schema)
    groups = list(whys.items())
    for why, names in groups[:most]:
        subject = names[0] if len(names) == 1 else f"{len(names)} ({some(names, most or len(names))})"
        yield Line("warning", "schemas.unfit", f"{subject}: {why}")
    if rest := [name for _, names in groups[most or len(groups) :] for name in names]:
        yield Line("warning", "schemas.unfit", f"{count(len(rest), 'more schema')}: --schemas shows each")


def _migrations(status: Status) -> Iterator[Line]:
    if not status.groups:
        return
    every = list(_folded(status, list(_runs(status))))
    texts = every if len(every) <= _RUNS else [text for text in every if not text.endswith(_EVERYWHERE)]
    for text in texts[:_RUNS]:
        yield Line("info", "migrations.counted", text)
    if left_out := len(every) - len(texts[:_RUNS]):
        text = f"{count(left_out, 'more line')}: --app LABEL shows one app, --json everything"
        yield Line("info", "migrations.counted", text)


def _runs(status: Status) -> Iterator[Run]:
    for app, keys in groupby(status.migrations, itemgetter(0)):
        runs = [(marks, tuple(run)) for marks, run in groupby(keys, status.marks)]
        for marks, run in runs:
            yield Run(app, tuple(name for _, name in run), len(runs) == 1, marks)


def _folded(status: Status, runs: list[Run]) -> Iterator[str]:
    """The lines for migrations: apps that are alike as a whole share one, the others follow."""
    whole: dict[tuple[Mark, ...], list[Run]] = {}
    for run in runs:
        if run.whole:
            whole.setdefault(run.marks, []).append(run)
    many = {marks: alike for marks, alike in whole.items() if len(alike) > _APPS}
    for marks, alike in many.items():
        apps = f"{', '.join(run.app for run in alike)} ({sum(len(run.names) for run in alike)} migrations)"
        yield f"{apps}: {_where(status, marks)}"
    for run in runs:
        if not (run.whole and run.marks in many):
            yield f"{run.app}{_tables(status, run.app)} {_names(run.names)}: {_where(status, run.marks)}"


def _names(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]} ({len(names)})"


def _tables(status: Status, app: str) -> str:
    """Where the app has tables, if not everywhere; its records are in every schema."""
    here = status.tables.get(app, ())
    if not here or set(here) == set(status.kinds):
        return ""
    return f" [{', '.join(map(_kind, here))}]"


def _kind(kind: Kind) -> str:
    shared, type = kind
    return "shared" if shared else "tenants" if type is None else f"tenants of type {type}"


def _where(status: Status, marks: tuple[Mark, ...]) -> str:
    one = sum(len(group.schemas) for group in status.groups) == 1
    if set(marks) == {"held"}:
        return "applied" if one else _EVERYWHERE
    if set(marks) == {"not held"}:
        return "not applied" if one else "nowhere"
    paired = list(zip(status.groups, marks, strict=True))
    shared = [_SHARED[mark] for group, mark in paired if group.role == "shared"]
    others = [(group, mark) for group, mark in paired if group.role != "shared"]
    return "; ".join([*shared, *([_counted(others)] if others else [])])


_SHARED: dict[Mark, str] = {
    "held": "in the shared schema",
    "in part": "in part in the shared schema",
    "not held": "not in the shared schema",
}


def _counted(paired: list[tuple[Group, Mark]]) -> str:
    names: dict[Mark, list[str]] = {"held": [], "in part": [], "not held": []}
    for group, mark in paired:
        names[mark] += group.schemas
    held, lacking = names["held"], [*names["in part"], *names["not held"]]
    templates = any(group.role == "template" for group, _ in paired)
    total = count(len(held) + len(lacking), "tenant") + (" and templates" if templates else "")
    text = f"in {len(held)} of {total}"
    if held and lacking:
        few = len(held) < len(lacking)
        text += f" ({some(held, _NAMES)})" if few else f", not in {some(lacking, _NAMES)}"
    return text + (f"; in part in {some(names['in part'], _NAMES)}" if names["in part"] else "")


def _stale(status: Status) -> Iterator[Line]:
    if keys := list(status.stale):
        schemas = sum(len(group.schemas) for group in status.groups if group.status.stale)
        records = count(len(keys), "migration")
        text = f"{records} no longer on disk recorded in {count(schemas, 'schema')} ({in_words(tuple(keys))})"
        yield Line("info", "records.stale", f"{text}; harmless")
