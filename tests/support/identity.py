"""Content types and permissions by their names, where their ids are of no account.

Which of the rows that post_migrate creates gets which id follows from the order in which Django happens to
have rendered the models. A row that was there before has to keep its id, though: others point to it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from .picture import Picture

Row = Mapping[str, Any]
_CONTENT_TYPES, _PERMISSIONS = ".django_content_type", ".auth_permission"


def without_new_ids(after: Picture, before: Picture) -> Picture:
    """The picture of a database, with the ids of those rows only that were there `before`."""
    named = dict(after)
    for section in after:
        schema = section.removesuffix(_CONTENT_TYPES)
        if schema != section:
            known = _known(_rows(before, section))
            types = {
                row["id"]: f"{known(row)} {row['app_label']}.{row['model']}" for row in _rows(after, section)
            }
            named[section] = sorted(types.values())
            permissions = f"{schema}{_PERMISSIONS}"
            if permissions in after:
                named[permissions] = _named_permissions(permissions, after, before, types)
    return named


def _named_permissions(section: str, after: Picture, before: Picture, types: Mapping[int, str]) -> list[str]:
    known = _known(_rows(before, section))
    return sorted(
        f"{known(row)} {row['codename']} ({row['name']}) of {types[row['content_type_id']]}"
        for row in _rows(after, section)
    )


def _known(before: list[Row]) -> Callable[[Row], str]:
    ids = {row["id"] for row in before}
    return lambda row: str(row["id"]) if row["id"] in ids else "new"


def _rows(picture: Picture, section: str) -> list[Row]:
    return [json.loads(line) for line in picture.get(section, [])]
