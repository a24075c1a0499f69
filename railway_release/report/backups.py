"""Backups in lines and in JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from railway_release.backup.manifest import Manifest
from railway_release.backup.progress import in_megabytes
from railway_release.runtime.text import count, in_time, schemas_in_words


def in_words(one: Manifest, now: datetime) -> str:
    """Name, age, size, schemas and proof of a backup."""
    age = in_time((now - one.taken_at).total_seconds())
    encrypted = ", encrypted" if one.encrypted else ""
    return (
        f"{one.name}: {age} old, {in_megabytes(one.size)}{encrypted}, database {one.database}, "
        f"{schemas_in_words(one.schemas)}, before {count(len(one.migrations), 'migration')}; {one.proof}"
    )


def as_dict(one: Manifest) -> dict[str, Any]:
    """The manifest without what its tables hold."""
    document = dataclasses.asdict(dataclasses.replace(one, contents={}))
    del document["contents"]
    return {**document, "size": one.size, "schemas": list(one.schemas)}
