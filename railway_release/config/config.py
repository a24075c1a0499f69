"""Config: every option of every command as one frozen value, checked before anything runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

from railway_release.config.acceptance import Accepted, accepted, severities
from railway_release.config.backup import BackupOptions
from railway_release.config.options import (
    EVERY,
    LOCKING,
    MIGRATING,
    RELEASE,
    exact_names,
    flag,
    option,
    positive_seconds,
    tables_by_kind,
)
from railway_release.postgres.session import clip
from railway_release.runtime.visible import visible

_CHECK = frozenset({"check"})
_IN_DEPTH = frozenset({"verify", "check"})
_TARGETED = frozenset({"release", "plan", "status"})
_PLAN = frozenset({"plan"})
_STATUS = frozenset({"status"})
_DOCTOR = frozenset({"doctor"})
_REPAIR = frozenset({"repair"})
_RESTORE = frozenset({"restore"})
_FAKE = frozenset({"fake"})


@dataclass(frozen=True)
class Config(BackupOptions):
    """All options. Durations are in seconds; 0 means what the option's help says."""

    # What to work on
    schema: tuple[str, ...] = flag(
        (),
        "only this schema (repeatable)",
        parse=exact_names,
        commands=EVERY,
        metavar="NAME",
        action="append",
    )
    exclude: tuple[str, ...] = flag(
        (),
        "all but this schema (repeatable)",
        parse=exact_names,
        commands=EVERY,
        metavar="NAME",
        action="append",
    )
    shared_only: bool = flag(False, "the shared schema alone", commands=EVERY)
    tenants_only: bool = flag(False, "the tenant schemas alone", commands=EVERY)
    app: tuple[str, ...] = flag(
        (),
        "this app only, up to MIGRATION if given; never backwards",
        commands=_TARGETED,
        nargs="+",
        metavar=("LABEL", "MIGRATION"),
    )
    schemas: bool = flag(False, "a line for each schema, with all that it lacks", commands=_STATUS)
    dry_run: bool = flag(False, "show what would be done, as plan does", commands=RELEASE)
    start: bool = flag(
        False,
        "for the start command: fail only for the shared schema, so that one unwell tenant "
        "never takes the others down",
        commands=_CHECK,
    )

    explain: str = flag(
        "",
        "the text of an error, or - to read it, or a whole log, from a pipe: which cause is it?",
        commands=_DOCTOR,
        metavar="TEXT",
    )
    all: bool = flag(
        False,
        "doctor: also what is no fault, and only worth knowing; plan: every schema and migration by name",
        commands=_DOCTOR | _PLAN,
    )
    sequences: bool = flag(
        False,
        "also compare sequences with the largest values of their columns, which reads every table's key",
        commands=_DOCTOR,
    )

    apply: bool = flag(False, "do what is shown without it", commands=_REPAIR | _RESTORE)
    warnings: bool = flag(
        False, "also what is only a warning, each with what changes in behaviour", commands=_REPAIR
    )
    finding: tuple[str, ...] = flag(
        (),
        "only findings with this id, also if they are warnings (repeatable)",
        parse=exact_names,
        commands=_REPAIR,
        metavar="ID",
        action="append",
    )
    create_schema: bool = flag(
        False,
        "make the schemas that tenant rows lack; what was in such a schema does not come back",
        commands=_REPAIR,
    )
    unfake: bool = flag(
        False, "the reverse: take the record away, if nothing of the migration is there", commands=_FAKE
    )
    data_is_done: bool = flag(
        False,
        "you have checked what the schema cannot show: what RunPython, RunSQL and operations of others did",
        commands=_FAKE,
    )

    # Which database, and how long to wait for it
    database_url: str = option(
        "",
        "the direct connection for the release; no flag, since arguments show in process lists",
        sources="env",
        commands=EVERY,
    )
    public: bool = flag(
        False, "off Railway: use DATABASE_PUBLIC_UNPOOLED_URL or DATABASE_PUBLIC_URL", commands=EVERY
    )
    pooler: Literal["detect", "session"] = option(
        "detect",
        "'session' vouches that a connection pooler in between runs in session mode",
        metavar="MODE",
        commands=LOCKING,
    )
    connect_timeout: float = option(
        120.0,  # a fresh container on Railway was seen to wait a minute for its private network
        "how long to wait for the database to answer",
        parse=positive_seconds,
        commands=EVERY,
    )
    peer_timeout: float = option(
        30.0,
        "how long what is sent may stay without any sign of life before a connection counts as lost; "
        "0 leaves that to the system",
        commands=EVERY,
    )
    lock_wait: float = option(60.0, "how long to wait for another release to end", commands=LOCKING)
    lock_timeout: float = option(
        3.0,
        "how long a migration may wait for a table lock before it is retried; above the server's "
        "deadlock_timeout (1 s), or an autovacuum is never displaced",
        parse=positive_seconds,
        commands=LOCKING,
    )
    statement_timeout: float = option(0.0, "how long one statement of a migration may run; 0 is for ever")
    retry_for: float = option(
        60.0,
        "how long one schema's transient errors, or a database that goes away, are retried",
        commands=EVERY,
    )
    retry_total: float = option(
        600.0, "how long the retries of all schemas may take together", commands=MIGRATING
    )
    grace: float = option(
        8.0,
        "after Ctrl-C or SIGTERM: how long a migration may go on in Python before it is ended and rolled "
        "back; one that is not atomic is waited for",
        commands=MIGRATING,
    )
    settle: float = option(
        3.0,
        "how far apart two equal reads of a schema must lie before it counts as finished by its creator",
        commands=MIGRATING,
    )
    settle_wait: float = option(
        30.0, "how long to wait for a schema that is still being created", commands=MIGRATING
    )

    # How to migrate
    engine: Literal["compiled", "stock"] = option(
        "compiled",
        "compiled, or stock: everything through django-tenants' own machinery, one schema at a time",
        metavar="NAME",
        commands=MIGRATING,
    )
    jobs: int = option(
        0,
        "how many schemas are read or migrated at the same time; 0 decides by the cores and by the "
        "connections that the server has left",
        commands=EVERY,
    )
    post_migrate: bool = option(
        False,
        "complete content types and permissions and send post_migrate in every schema",
        commands=RELEASE,
    )

    # What counts as failure
    on_error: Literal["continue", "stop"] = option(
        "continue", "after a tenant has failed: continue or stop", metavar="WHAT", commands=MIGRATING
    )
    max_failures: int = option(0, "stop after this many tenants have failed; 0 is never", commands=MIGRATING)
    tolerate_failed: int = option(
        0, "exit 0 although up to this many tenants have failed", commands=MIGRATING
    )
    verify: Literal["strict", "warn"] = option(
        "strict", "whether verification errors fail the release", metavar="MODE", commands=RELEASE
    )
    depth: Literal["tables", "columns", "everything"] = option(
        "everything",
        "what of each table is compared: tables (that it is there), columns or everything",
        commands=_IN_DEPTH,
        metavar="WHAT",
    )
    expected_tables: tuple[tuple[str, str], ...] = option(
        (),
        "tables and columns to expect beside those of the models",
        parse=tables_by_kind,
        sources="env setting",
        commands=EVERY,
        env="RELEASE_EXPECT_TABLES",
    )
    ignore_tables: tuple[str, ...] = option(
        (), "patterns of tables not to expect", sources="env setting", commands=EVERY
    )
    accept: tuple[Accepted, ...] = option(
        (), "findings judged harmless", parse=accepted, sources="setting", commands=EVERY
    )

    severity: tuple[tuple[str, str], ...] = option(
        (), "how grave findings are, by id", parse=severities, sources="setting", commands=EVERY
    )

    # The rest
    collectstatic: Literal["auto", "yes", "no"] = option(
        "auto",
        "collect static files after migrating (auto: when staticfiles has somewhere to put them, but not "
        "with --schema)",
        commands=RELEASE,
        action=argparse.BooleanOptionalAction,
    )
    yes: bool = flag(False, "do not ask for confirmation on a terminal", commands=LOCKING)
    settings: str = flag(
        "",
        "the settings module (default: DJANGO_SETTINGS_MODULE, else what manage.py says)",
        commands=EVERY,
        metavar="MODULE",
    )
    report: str = option("", "write everything as JSON to this file", commands=EVERY, metavar="FILE")
    json: bool = flag(False, "one JSON document on stdout, logs on stderr", commands=EVERY)
    log_format: Literal["auto", "json", "console"] = option(
        "auto",
        "json, console (lines for people) or auto (json on Railway, console everywhere else)",
        commands=EVERY,
        metavar="FORMAT",
    )
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "debug, info, warning or error", commands=EVERY, metavar="LEVEL"
    )
    show_values: bool = option(
        False, "show the DETAIL of database errors, which may quote customers' data", commands=EVERY
    )

    def includes(self, schema: str, *, shared: bool = False) -> bool:
        """Whether the options choose this schema; `shared` says that it is the shared one."""
        if self.tenants_only if shared else self.shared_only:
            return False
        chosen, excluded = ([clip(name) for name in names] for names in (self.schema, self.exclude))
        # A terminal shows some names with escapes, and so they may be typed.
        spellings = {schema, visible(schema)}
        return spellings.isdisjoint(excluded) and not (chosen and spellings.isdisjoint(chosen))

    def tables_expected_in(self, kind: str) -> tuple[str, ...]:
        """The tables that the user expects in ``"shared"`` or ``"tenant"`` schemas."""
        return tuple(table for its_kind, table in self.expected_tables if its_kind == kind)
