"""Release twelve tenants that are two releases behind: ``python -m examples.demo [stop]``."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from examples.past import PROJECT, TENANTS, WITHOUT_BUILDINGS, WITHOUT_SCHEMA
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
    url = fresh_database(start_persistent(SERVER))
    build(url)
    say(f"Releasing: python {SCRIPT.name}")
    status = subprocess.run([sys.executable, str(SCRIPT)], cwd=PROJECT, env=environment(url), check=False)
    report(url, status.returncode)
    # A release that says what is wrong with a tenant is what the demo is there to show.
    return 0 if status.returncode in OUTCOMES else status.returncode


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


def environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, "DATABASE_URL": url, "PATH": f"{bin_dir()}{os.pathsep}{os.environ.get('PATH', '')}"}


def report(url: str, status: int) -> None:
    python, script = (shlex.quote(os.path.relpath(path, PROJECT)) for path in (sys.executable, SCRIPT))
    say(f"Exit {status}: {OUTCOMES.get(status, 'the release stopped, see above')}.")
    print("Look around, from the repository:\n")
    print(f"  cd {shlex.quote(os.path.relpath(PROJECT))}")
    print(f"  export DATABASE_URL={shlex.quote(url)}")
    for command in ("plan", "verify", "check"):
        print(f"  {python} {script} {command}")
    print(f"  {shlex.quote(str(bin_dir() / 'psql'))} \"$DATABASE_URL\" -c '\\dn'")
    print("\n`make demo` starts over, `make demo-stop` stops the server.")


def say(line: str) -> None:
    print(f"\n==> {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
