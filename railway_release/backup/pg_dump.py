"""The provider that runs pg_dump: archives that are stored and proven, and only then listed in a manifest."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from railway_release.backup.archive import Tools
from railway_release.backup.clients import find_clients
from railway_release.backup.connection import libpq_environment
from railway_release.backup.destination import Destination, Folder
from railway_release.backup.dumping import Dumped, Dumping
from railway_release.backup.elsewhere import prove_restoring
from railway_release.backup.manifest import FILE, Manifest, Proof, backup_name
from railway_release.backup.places import open_destination
from railway_release.backup.progress import in_megabytes
from railway_release.backup.proof import prove_reading
from railway_release.backup.provider import BackedUp, BackupContext
from railway_release.backup.stored import (
    Retention,
    delete_backups,
    delete_unpublished,
    read_manifest,
    stored_backups,
)
from railway_release.errors import BackupFailed
from railway_release.postgres.server import system_identifier
from railway_release.postgres.table_contents import existing
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import count, some
from railway_release.runtime.waiting import told


class PgDump:
    """Backs up schemas with pg_dump."""

    def __init__(self, target: Target, shared_schema: str) -> None:
        self._target = target
        self._shared_schema = shared_schema

    def back_up(self, context: BackupContext) -> BackedUp:
        """Dump, store, prove; raises BackupFailed, and leaves nothing of what it has stored."""
        destination = open_destination(self._target.config.backup_to, os.environ)
        self._warn_of_container(destination)
        tools = tools_for_dumping(self._target)
        self._tidy_up(destination)
        name = self._new_name(destination, context)
        try:
            manifest = self._taken(destination, name, context, tools)
        except BaseException:
            with contextlib.suppress(Exception):  # what ended the backup is to be told
                destination.delete(sorted(destination.sizes(f"{name}/"), reverse=True))  # the manifest first
            raise
        if not manifest.pieces:
            return BackedUp("nothing, since none of its schemas exists yet")
        self._delete_old(destination, manifest)
        return BackedUp(_in_words(destination, manifest), name, frozenset(manifest.schemas))

    def _taken(self, destination: Destination, name: str, context: BackupContext, tools: Tools) -> Manifest:
        dumped = Dumping(self._target, destination, tools, name).run(context.schemas)
        manifest = self._manifest(name, context, dumped, tools)
        if manifest.pieces:
            manifest = replace(manifest, proof=self._proven(destination, manifest, tools))
            destination.write(f"{name}/{FILE}", [manifest.as_json().encode()], 0)
            if read_manifest(destination, f"{name}/{FILE}") != manifest:
                raise BackupFailed(f"The manifest of {name} in {destination.where} is not what was written.")
        return manifest

    def _new_name(self, destination: Destination, context: BackupContext) -> str:
        """A name that sorts after those of the same second, since the last one is the latest."""
        started, commit = datetime.now(UTC), self._target.invocation.platform.commit
        while destination.sizes(f"{backup_name(started, '', '')}-"):
            started += timedelta(seconds=1)
        return backup_name(started, context.run_id, commit)

    def _warn_of_container(self, destination: Destination) -> None:
        if (
            self._target.invocation.platform.inside
            and isinstance(destination, Folder)
            and not destination.is_mounted
        ):
            text = (
                f"{destination.where} is in this container, and vanishes with it: RELEASE_BACKUP_TO needs a "
                "bucket (s3://BUCKET/PREFIX), or a folder on a volume, which a pre-deploy command has none of"
            )
            get_logger().warning("backup.vanishes", message=text)

    def _manifest(self, name: str, context: BackupContext, dumped: Dumped, tools: Tools) -> Manifest:
        return Manifest(
            name=name,
            run_id=context.run_id,
            commit=self._target.invocation.platform.commit,
            database=context.database,
            system_identifier=self._target.read_pool.read(system_identifier),
            started=dumped.taken_at.isoformat(),
            server_version=self._target.read_pool.server.version,
            client_version=tools.clients.version,
            shared_schema=self._shared_schema,
            migrations=tuple(".".join(key) for key in context.migrations),
            pieces=dumped.pieces,
            contents=dumped.contents,
            extensions=dumped.extensions,
            encrypted=bool(tools.encrypt),
            writes=context.writes,
        )

    def _proven(self, destination: Destination, manifest: Manifest, tools: Tools) -> Proof:
        started, blind = time.monotonic(), manifest.encrypted and not tools.decrypt
        with told(f"{in_megabytes(manifest.size)} are being read back from {destination.where}"):
            prove_reading(destination, manifest, tools)
        if blind or self._target.config.backup_proof == "read":
            return Proof("bytes" if blind else "read", seconds=round(time.monotonic() - started, 1))
        with told("the backup is being restored into a scratch database"):
            restored = prove_restoring(self._target, destination, tools, manifest)
        return Proof("restore", restored, round(time.monotonic() - started, 1))

    def _tidy_up(self, destination: Destination) -> None:
        """Delete what runs have left that were killed."""
        with _going_on():
            destination.delete_unfinished()
            delete_unpublished(destination, datetime.now(UTC))

    def _delete_old(self, destination: Destination, newest: Manifest) -> None:
        config = self._target.config
        retention = Retention(config.backup_keep, config.backup_keep_days)
        if not (retention.runs or retention.days):
            return
        with _going_on():
            backups = stored_backups(destination).backups
            held = {name for one in backups for name in one.manifest.schemas}
            present = self._target.read_pool.read(lambda connection: existing(connection, held))
            old = retention.outdated(backups, newest, present, datetime.now(UTC))
            delete_backups(destination, old)
            if old:
                names = some([one.manifest.name for one in old])
                text = f"deleted {count(len(old), 'older backup')}: {names}"
                get_logger().info("backup.deleted", message=text)


@contextlib.contextmanager
def _going_on() -> Iterator[None]:
    """That something cannot be deleted is no reason to stop a release."""
    try:
        yield
    except BackupFailed as error:
        text = f"what is no longer needed was not deleted: {error.message}"
        get_logger().warning("backup.not_deleted", message=text)


def tools_for_dumping(target: Target) -> Tools:
    """The programs that can dump this server; raises BackupFailed."""
    major = target.read_pool.server.version // 10000
    return tools_for(target, major, f"the server is {major}")


def tools_for(target: Target, least: int, why: str) -> Tools:
    """The programs of at least a major version, for this database; raises BackupFailed."""
    config, connection = target.config, libpq_environment(target.choice)
    return Tools(
        find_clients(least, why, config.backup_bin, os.environ),
        # Names in messages do not depend on the language, but the words that tell how far pg_dump is do.
        {
            **_without_service(os.environ),
            **connection,
            "PGAPPNAME": f"{target.application} backup",
            "LC_ALL": "C",
        },
        time.monotonic() + config.backup_timeout,
        config.backup_encrypt,
        config.backup_decrypt,
        str(target.choice.entry.get("OPTIONS", {}).get("assume_role") or ""),
    )


def _without_service(environ: Mapping[str, str]) -> dict[str, str]:
    """A service of the environment would outrank the variables that say where the database is."""
    return {name: value for name, value in environ.items() if name != "PGSERVICE"}


def _in_words(destination: Destination, manifest: Manifest) -> str:
    schemas = count(len(manifest.schemas), "schema")
    return (
        f"as {manifest.name} in {destination.where} ({schemas}, {in_megabytes(manifest.size)}, "
        f"{manifest.proof})"
    )
