"""Release twelve tenants that are two releases behind: ``python -m examples.demo [stop]``."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from examples.past import GHOST, MASKED, PROJECT, TENANTS, WITHOUT_BUILDINGS, WITHOUT_SCHEMA
from examples.restoration import restoration
from tests.support.binaries import bin_dir
from tests.support.server import database_url, psql, start_persistent, stop_persistent

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / ".demo"
DATABASE = "buildings_demo"
SCRIPT = ROOT / "run_migrations.py"

OUTCOMES = {
    0: "every tenant is on the newest release",
    7: "some tenants failed, the others are on the newest release",
    8: "the migrations ran, the verification found errors",
}


def main() -> int:
    if sys.argv[1:] == ["stop"]:
        return stop()
    if sys.argv[1:]:
        print("usage: python -m examples.demo [stop]", file=sys.stderr)
        return 2
    return demo()


def stop() -> int:
    print("The demo server is stopped." if stop_persistent(SERVER) else "The demo server was not running.")
    return 0


def demo() -> int:
    say("Starting PostgreSQL ...")
    maintenance_url = start_persistent(SERVER)
    url = fresh_database(maintenance_url)
    build(url)
    say(f"What follows is done in {PROJECT.relative_to(ROOT)}, and what is printed to be typed is for there.")
    status = script(url, "Releasing")
    if status not in OUTCOMES:
        return status
    # A release that says what is wrong with a tenant is what the demo is there to show.
    say(f"Exit {status}: {OUTCOMES[status]}.")
    script(url, "Looking closer", "verify")
    script(url, "Asking why", "doctor")
    repair(url)
    delete_a_user(url)
    restoration(maintenance_url, DATABASE, SERVER / "restore", environment(url), say)
    look_around(url)
    return 0


def script(url: str, title: str, *words: str) -> int:
    command = [os.path.relpath(one, PROJECT) for one in (sys.executable, SCRIPT)] + list(words)
    say(f"{title}: {shlex.join(command)}")
    return subprocess.run(command, cwd=PROJECT, env=environment(url), check=False).returncode


def repair(url: str) -> None:
    script(url, "Asking what would repair it", "repair")
    script(url, "Repairing it", "repair", "--apply")
    give_back(url)
    script(url, "Repairing the rest", "repair", "--apply")
    say(f"Did {WITHOUT_SCHEMA[0]} ever have rows? Only a person can know: it did not. So:")
    script(url, "Creating its schema", "repair", "--create-schema", "--schema", WITHOUT_SCHEMA[0], "--apply")
    status = script(url, "Verifying everything", "verify")
    say(f"Exit {status}: {'every schema is what the code expects' if status == 0 else 'not yet'}.")


def give_back(url: str) -> None:
    schema, table = MASKED
    move = f"ALTER TABLE public.{table} SET SCHEMA {schema}"
    say(
        f"Whose rows are in public.{table}? Only a person can know: all of them are {schema}'s. So:\n  {move}"
    )
    psql(url, move)


def delete_a_user(url: str) -> None:
    say("Deleting a user who lives in several tenants, as Django does it and as it works:")
    command = [sys.executable, "-m", "examples.deletion"]
    subprocess.run(command, cwd=ROOT, env=environment(url), check=True)


def fresh_database(maintenance_url: str) -> str:
    psql(maintenance_url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    psql(maintenance_url, f"CREATE DATABASE {DATABASE}")
    return database_url(maintenance_url, DATABASE)


def build(url: str) -> None:
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "examples.past"], cwd=ROOT, env=environment(url), check=True)
    say(f"Built {len(TENANTS)} tenants as they were two releases ago ({time.monotonic() - started:.0f} s).")
    print(f"  {WITHOUT_BUILDINGS}: the migrations of `buildings` never ran, its tables are missing")
    print(f"  {WITHOUT_SCHEMA[0]}: one tenant more, whose schema was never created")
    print(f"  {GHOST[0]}: {GHOST[1]} is recorded as migrated and is not there")
    print(f"  {MASKED[0]}: its {MASKED[1]} lies in the shared schema, where others would write to it")


def environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, "DATABASE_URL": url, "PATH": f"{bin_dir()}{os.pathsep}{os.environ.get('PATH', '')}"}


def look_around(url: str) -> None:
    program = shlex.join(os.path.relpath(one, PROJECT) for one in (sys.executable, SCRIPT))
    say("Look around, from the repository:\n")
    print(f"  cd {shlex.quote(os.path.relpath(PROJECT))}")
    print(f"  export DATABASE_URL={shlex.quote(url)}")
    for command in ("plan", "status", "verify", "doctor", "repair", "check"):
        print(f"  {program} {command}")
    print(f"  {shlex.quote(str(bin_dir() / 'psql'))} \"$DATABASE_URL\" -c '\\dn'")
    print("\n`make demo` starts over, `make demo-stop` stops the server.")


def say(line: str) -> None:
    print(f"\n==> {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
