"""The provider that runs pg_dump: archives that are stored and proven, and only then listed in a manifest."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime

from railway_release.backup.archive import Tools
from railway_release.backup.clients import find_clients
from railway_release.backup.connection import libpq_environment
from railway_release.backup.destination import Destination
from railway_release.backup.dumping import Dumped, Dumping
from railway_release.backup.elsewhere import prove_restoring
from railway_release.backup.manifest import FILE, Manifest, Proof, backup_name
from railway_release.backup.places import open_destination
from railway_release.backup.progress import in_megabytes
from railway_release.backup.proof import prove_reading
from railway_release.backup.provider import BackedUp, BackupContext
from railway_release.backup.stored import delete_backups, stored_backups, to_delete
from railway_release.errors import BackupFailed
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import count
from railway_release.runtime.waiting import told


class PgDump:
    """Backs up schemas with pg_dump."""

    means = "pg_dump"

    def __init__(self, target: Target, shared_schema: str) -> None:
        self._target = target
        self._shared_schema = shared_schema

    def back_up(self, context: BackupContext) -> BackedUp:
        """Dump, store, prove; raises BackupFailed."""
        destination = open_destination(self._target.config.backup_to, os.environ)
        destination.delete_unfinished()
        tools = tools_for_dumping(self._target)
        commit = self._target.invocation.platform.commit
        name = backup_name(datetime.now(UTC), context.run_id, commit)
        dumped = Dumping(self._target, destination, tools, name).run(context.schemas)
        manifest = self._manifest(name, context, dumped, tools)
        manifest = replace(manifest, proof=self._proven(destination, manifest, tools))
        destination.write(f"{name}/{FILE}", [manifest.as_json().encode()], 0)
        self._delete_old(destination, manifest)
        return BackedUp(_in_words(destination, manifest), name, frozenset(manifest.schemas))

    def _manifest(self, name: str, context: BackupContext, dumped: Dumped, tools: Tools) -> Manifest:
        return Manifest(
            name=name,
            run_id=context.run_id,
            commit=self._target.invocation.platform.commit,
            database=context.database,
            started=dumped.taken_at.isoformat(),
            server_version=self._target.read_pool.server.version,
            client_version=tools.clients.version,
            shared_schema=self._shared_schema,
            migrations=tuple(".".join(key) for key in context.migrations),
            pieces=dumped.pieces,
            contents=dumped.contents,
            extensions=dumped.extensions,
            encrypted=bool(tools.encrypt),
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

    def _delete_old(self, destination: Destination, newest: Manifest) -> None:
        """Delete what is too old; that this cannot be done is no reason to stop a release."""
        config = self._target.config
        if not (config.backup_keep or config.backup_keep_days):
            return
        try:
            old = to_delete(
                stored_backups(destination),
                newest,
                config.backup_keep,
                config.backup_keep_days,
                datetime.now(UTC),
            )
            delete_backups(destination, old)
        except BackupFailed as error:
            get_logger().warning("backup.not_deleted", message=f"old backups were kept: {error.message}")
            return
        if old:
            text = f"deleted {count(len(old), 'older backup')}: {', '.join(one.manifest.name for one in old)}"
            get_logger().info("backup.deleted", message=text)


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
        {**os.environ, **connection, "PGAPPNAME": f"{target.application} backup", "LC_ALL": "C"},
        time.monotonic() + config.backup_timeout,
        config.backup_encrypt,
        config.backup_decrypt,
        str(target.choice.entry.get("OPTIONS", {}).get("assume_role") or ""),
    )


def _in_words(destination: Destination, manifest: Manifest) -> str:
    schemas = count(len(manifest.schemas), "schema")
    return (
        f"as {manifest.name} in {destination.where} ({schemas}, {in_megabytes(manifest.size)}, "
        f"{manifest.proof})"
    )
