"""How one option is declared once and read from flag, environment, Django settings or default.

An option is a dataclass field: its name makes the flag, the ``RELEASE_*`` variable and the key in
``RAILWAY_RELEASE``, its type the parser; its metadata says the rest.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
from argparse import BooleanOptionalAction
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

RELEASE = frozenset({"release"})
MIGRATING = frozenset({"release", "repair"})
WRITING = frozenset({*MIGRATING, "fake"})
LOCKING = frozenset({*WRITING, "backup", "restore"})
EVERY = frozenset({*WRITING, "plan", "verify", "check", "status", "doctor", "backup", "backups", "restore"})

_PREFIX = "RELEASE_"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class Option:
    """Where an option may be set, and how its text becomes a value."""

    help: str
    parse: Callable[[Any], Any]
    sources: frozenset[str]  # of "flag", "env", "setting"
    commands: frozenset[str]
    env: str  # "" for RELEASE_<NAME>
    positional: bool  # whether its flag is an argument without a name
    argument: Mapping[str, Any]  # what argparse's add_argument() is given beside name, help and default


def option(  # noqa: PLR0913 - one declaration says everything about an option
    default: T,
    help: str,
    *,
    parse: Callable[[Any], Any] | None = None,
    sources: str = "flag env setting",
    commands: frozenset[str] = WRITING,
    env: str = "",
    positional: bool = False,
    **argument: Any,
) -> T:
    """A field of a configuration dataclass; `argument` is what is special about its flag, as in argparse.

    `parse` makes the value from a text or from what the settings hold, and raises ValueError with a message
    for the user. What is left out follows from the field's type: see `_declared`.
    """
    declared = {
        "help": help,
        "parse": parse,
        "commands": commands,
        "env": env,
        "positional": positional,
        "argument": argument,
    }
    return dataclasses.field(default=default, metadata={**declared, "sources": frozenset(sources.split())})


def flag(default: T, help: str, **more: Any) -> T:
    """An option that is a flag alone: no variable and no setting stands for it."""
    return option(default, help, sources="flag", **more)


@functools.cache
def options_of(config: type) -> tuple[tuple[str, Option, Any], ...]:
    """Name, declaration and default of each option of a configuration dataclass."""
    types, own = get_type_hints(config), inspect.get_annotations(config)
    # What every command has comes before what a base class adds.
    fields = sorted(dataclasses.fields(config), key=lambda field: field.name not in own)
    return tuple((one.name, _declared(one.metadata, types[one.name]), one.default) for one in fields)


def _declared(metadata: Mapping[str, Any], type: Any) -> Option:
    """The option with the parser and the argument that follow from its type, where it names none."""
    by_type: dict[Any, tuple[Callable[[Any], Any], dict[str, Any]]] = {
        bool: (switch, {"action": BooleanOptionalAction if "env" in metadata["sources"] else "store_true"}),
        float: (seconds, {"metavar": "SECONDS"}),
        int: (count, {"metavar": "N"}),
        tuple[str, ...]: (names, {}),
    }
    parse, argument = by_type.get(type, (text, {}))
    if get_origin(type) is Literal:
        parse = one_of(*get_args(type))
    given = {"parse": metadata["parse"] or parse, "argument": argument | metadata["argument"]}
    return Option(**{**metadata, **given})


def variable(name: str, declared: Option) -> str:
    """The environment variable of an option."""
    return declared.env or f"{_PREFIX}{name.upper()}"


def resolve(
    config: type, flags: Mapping[str, Any], environ: Mapping[str, str], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The values that were set, flag over environment over settings; and a message for each mistake."""
    values, mistakes = {}, _unknown_keys(config, settings)
    for name, declared, _ in options_of(config):
        found = _lookup(name, declared, flags, environ, settings)
        if found is None:
            continue
        origin, raw = found
        try:
            values[name] = declared.parse(raw)
        except ValueError as mistake:
            mistakes.append(f"{origin}: {mistake}")
    return values, mistakes


def near_misses(config: type, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """RELEASE_* variables that are not read, each with the variable whose name is almost the same.

    Other tools use RELEASE_* too, so those that resemble none of ours are left out.
    """
    known = {variable(name, o) for name, o, _ in options_of(config) if "env" in o.sources}
    tails = {name.removeprefix(_PREFIX): name for name in known}
    found = []
    for name in environ:
        if name.startswith(_PREFIX) and name not in known:
            close = difflib.get_close_matches(name.removeprefix(_PREFIX), tails, n=1, cutoff=0.8)
            found += [(name, tails[one]) for one in close]
    return found


def _lookup(
    name: str,
    declared: Option,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    settings: Mapping[str, Any],
) -> tuple[str, Any] | None:
    if flags.get(name) is not None:
        return f"--{name.replace('_', '-')}", flags[name]
    env_name = variable(name, declared)
    # An empty variable is how platforms say "not set".
    if "env" in declared.sources and environ.get(env_name):
        return env_name, environ[env_name]
    if "setting" in declared.sources and name.upper() in settings:
        return f'RAILWAY_RELEASE["{name.upper()}"]', settings[name.upper()]
    return None


def _unknown_keys(config: type, settings: Mapping[str, Any]) -> list[str]:
    known = [name.upper() for name, o, _ in options_of(config) if "setting" in o.sources]
    mistakes = []
    for key in settings:
        if key not in known:
            guess = difflib.get_close_matches(str(key).upper(), known, n=1)
            meant = f"did you mean {guess[0]}?" if guess else f"known keys: {', '.join(sorted(known))}"
            mistakes.append(f'RAILWAY_RELEASE["{key}"]: there is no such setting; {meant}')
    return mistakes


# Parsers: from text (flag, environment) or from a Python value (settings).


def text(raw: Any) -> str:
    """A non-empty string."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(f"a non-empty string is expected, not {raw!r}")
    return raw.strip()


def seconds(raw: Any) -> float:
    """A number of seconds, zero or more."""
    try:
        value = float(raw)
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(raw, bool) or not 0 <= value < math.inf:
        raise ValueError(f"a number of seconds is expected, not {raw!r}")
    return value


def positive_seconds(raw: Any) -> float:
    """A number of seconds above zero: the wait it bounds must never be endless."""
    value = seconds(raw)
    if round(value * 1000) == 0:  # PostgreSQL counts milliseconds, and takes 0 for no limit at all
        raise ValueError(f"at least 0.001 seconds are expected, not {raw!r}")
    return value


def count(raw: Any) -> int:
    """A whole number, zero or more."""
    try:
        value = int(str(raw))
    except ValueError:
        value = -1
    if isinstance(raw, bool) or value < 0:
        raise ValueError(f"a whole number of zero or more is expected, not {raw!r}")
    return value


def switch(raw: Any) -> bool:
    """Yes or no."""
    word = str(raw).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"true or false is expected, not {raw!r}")
    return word in _TRUE


def one_of(*choices: str) -> Callable[[Any], str]:
    """One of these words; a flag without a value is ``yes`` or ``no``."""

    def parse(raw: Any) -> str:
        word = ("no", "yes")[raw] if isinstance(raw, bool) else str(raw).strip().lower()
        if word not in choices:
            raise ValueError(f"one of {', '.join(choices)} is expected, not {raw!r}")
        return word

    return parse


def names(raw: Any) -> tuple[str, ...]:
    """Names, as a list or separated by commas."""
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple | set) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"a list of names is expected, not {raw!r}")
    return tuple(part.strip() for part in parts if part.strip())


def exact_names(raw: Any) -> tuple[str, ...]:
    """Names as they stand: schema names may hold commas and spaces."""
    return tuple(text(part) and part for part in raw)


def tables_by_kind(raw: Any) -> tuple[tuple[str, str], ...]:
    """``{"shared": […], "tenant": […]}``, or ``shared:a, tenant:b`` in the environment, as pairs."""
    if isinstance(raw, str):
        pairs = [tuple(part.strip().split(":", 1)) for part in raw.split(",") if part.strip()]
    elif isinstance(raw, Mapping):
        pairs = [(str(kind), table) for kind, tables in raw.items() for table in names(tables)]
    else:
        pairs = [()]
    if any(len(pair) != len(("kind", "table")) or pair[0] not in ("shared", "tenant") for pair in pairs):
        raise ValueError(
            'tables are expected under "shared" and "tenant" (in the environment: shared:t1,tenant:t2)'
        )
    return tuple((kind, table.strip()) for kind, table in pairs)
