"""Backups in lines and in JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from railway_release.backup.manifest import Manifest
from railway_release.backup.progress import in_megabytes
from railway_release.backup.restore_plan import SchemaRestore
from railway_release.report.line import Line
from railway_release.runtime.text import count, in_time, schemas_in_words
from railway_release.runtime.visible import visible


def in_words(one: Manifest, now: datetime) -> str:
    """Name, age, size, schemas and proof of a backup."""
    age = in_time((now - one.taken_at).total_seconds())
    encrypted = ", encrypted" if one.encrypted else ""
    before = f", before {count(len(one.migrations), 'migration')}" if one.migrations else ""
    return (
        f"{one.name}: {age} old, {in_megabytes(one.size)}{encrypted}, database {one.database}, "
        f"{schemas_in_words(one.schemas)}{before}; {one.proof}"
    )


def restore_lines(restores: Iterable[SchemaRestore], *, done: bool) -> Iterator[Line]:
    """What is to be done with each schema, unless it was, and why some are refused."""
    for one in restores:
        if one.refusals:
            text = f"{visible(one.schema)} is not restored: {'; '.join(one.refusals)}"
            yield Line("warning", "schemas.refused", text)
        elif not done:
            yield Line("info", "restore.planned", "; ".join((_to_do(one), *one.remarks)))


def discard_lines(discards: Iterable[tuple[str, str]]) -> Iterator[Line]:
    """The schemas that would be dropped, and what each of them is."""
    for name, what in discards:
        yield Line(
            "info", "restore.planned", f"{visible(name)}: drop it, and all that is in it ({visible(what)})"
        )


def level_lines(restored: Sequence[str], taken_at: datetime) -> Iterator[Line]:
    """What a person should know before the next release."""
    text = (
        f"{schemas_in_words(restored)} as of {taken_at:%Y-%m-%d %H:%M:%S %Z}: migrations that were applied "
        "since are pending again, and the next release runs them. Fix what went wrong before it does."
    )
    yield Line("warning", "restore.pending", text)


def _to_do(one: SchemaRestore) -> str:
    what = f"{count(one.tables, 'table')} with {count(one.rows, 'row')}"
    if one.into:
        return f"{visible(one.schema)}: restore {what} as {visible(one.into)}, beside it"
    if one.present:
        return f"{visible(one.schema)}: rename it to {visible(one.aside)}, and restore {what} in its place"
    return f"{visible(one.schema)}, which is not there: restore {what}"


def as_dict(one: Manifest) -> dict[str, Any]:
    """The manifest without what its tables hold."""
    document = dataclasses.asdict(dataclasses.replace(one, contents={}))
    del document["contents"]
    return {**document, "size": one.size, "schemas": list(one.schemas)}
