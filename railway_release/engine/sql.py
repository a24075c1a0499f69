"""What the text of a RunSQL tells beforehand: whether it changes shared objects, session or transaction."""

from __future__ import annotations

import re

from django.db.migrations.operations.base import Operation

_CUSTOM_OPTION = re.compile(r"\bset_config\b|\bset\s+(?:session\s+)?[\w\"]+\s*\.", re.IGNORECASE)
_CONSTANT = re.compile(r"'(?:[^']|'')*'|(\$\w*\$).*?\1|--[^\n]*", re.DOTALL)
_TRANSACTION = re.compile(
    r"\b(?:COMMIT|ROLLBACK|ABORT|PREPARE\s+TRANSACTION)\b|(?:^|;)\s*END\s*(?:;|$|WORK\b|TRANSACTION\b)",
    re.IGNORECASE,
)
# Objects that belong to the database or to the whole server, and privileges on shared objects.
_SHARED_OBJECTS = re.compile(
    r"\b(?:CREATE|ALTER|DROP|COMMENT\s+ON|SECURITY\s+LABEL)\s+(?:\w+\s+){0,4}?"
    r"(?:EXTENSION|ROLE|USER|GROUP|DATABASE|SCHEMA|EVENT\s+TRIGGER|PUBLICATION|SUBSCRIPTION|LANGUAGE|SERVER"
    r"|FOREIGN\s+DATA\s+WRAPPER|TABLESPACE|CAST|ACCESS\s+METHOD)\b"
    r"|\b(?:GRANT|REVOKE|REASSIGN|DROP\s+OWNED|ALTER\s+DEFAULT\s+PRIVILEGES)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(r"\b(?:CREATE|ALTER|DROP|COMMENT|TRUNCATE|REINDEX|CLUSTER|REFRESH)\b", re.IGNORECASE)


def text_of(operation: Operation) -> str:
    """The SQL that an operation holds, as one text; nothing if it holds none."""
    return _text(getattr(operation, "sql", ""))


def _text(sql: object) -> str:
    """One text; RunSQL takes a text, or a list of texts and of pairs of a text and its parameters."""
    if isinstance(sql, list | tuple):
        return ";\n".join(_text(one[0] if isinstance(one, list | tuple) and one else one) for one in sql)
    return str(sql)


def sets_custom_option(text: str) -> bool:
    """Whether it may set a customized option, whose name has a dot and which pg_settings does not show."""
    return bool(_CUSTOM_OPTION.search(text))


def ends_transaction(text: str) -> bool:
    """Whether it may end the transaction that it runs in."""
    return bool(_TRANSACTION.search(_CONSTANT.sub("''", text)))


def changes_shared_objects(operation: Operation, shared: str) -> bool:
    """Whether it changes objects of the `shared` schema, of the database or of the server.

    Sessions that do so side by side fail with "tuple concurrently updated".
    """
    text, name = text_of(operation), re.escape(shared)
    names_shared = re.search(rf'(?<![\w"])(?:"{name}"|{name})\s*\.', text, re.IGNORECASE)
    changes_shared = bool(names_shared and _CHANGES.search(text))
    return changes_shared or bool(_SHARED_OBJECTS.search(text)) or _creates_extension(operation)


def _creates_extension(operation: Operation) -> bool:
    """Whether it is a CreateExtension; by name, since importing its class could fail in some projects."""
    kinds = ((kind.__module__, kind.__name__) for kind in type(operation).__mro__)
    return ("django.contrib.postgres.operations", "CreateExtension") in kinds
