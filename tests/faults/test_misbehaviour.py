"""Migrations that do to their process what none should: the release says what became of whom, and in time."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.release import Project, until
from tests.support.running import Running, alive

LAST = "0003_announcement_pinned"
# Code of migrations runs in a worker also with one job; that one meets the next schema in any case.
both = pytest.mark.parametrize("jobs", ["1", "2"])


def python(project: Project, body: str, *, before: str = "", atomic: bool = True) -> None:
    """A migration written in Python; `name` is the schema's, `here` a folder to leave files in."""
    loose = "" if atomic else "]\n    atomic = False\n    _ = ["
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    project.migration(
        "announcements",
        "0004_python",
        LAST,
        "migrations.RunPython(run)" + loose,
        "import os, subprocess, sys, threading, time\nfrom pathlib import Path\n\n"
        "from django.db import connection, connections\n\n"
        f"here = Path({str(project.folder)!r})\n\n\n"
        "def wait():\n    while here.exists() and not (here / 'leave').exists():\n"
        "        time.sleep(0.05)\n\n\n"
        f"{before}\n\n"
        "def run(apps, editor):\n    name = editor.connection.schema_name\n" + lines,
    )


def number_in(file: Path) -> int:
    """The number that a migration has written there."""
    until(lambda: file.exists() and file.read_text().endswith("\n"), what=file.name)
    return int(file.read_text())


@pytest.fixture
def let_go(past: Project):
    """What waits for the file `leave` ends with the test."""
    yield
    (past.folder / "leave").touch()


LEAVING = """
if name == 'athena': os._exit(0)
if name == 'kypseli': raise Odd('no', sqlstate=Value('XX999'))
if name == 'piraeus':
    import logging, structlog
    structlog.get_logger().info('odd', value=threading.Lock(), odd=Value('text'), error=Odd(Value('words')))
    logging.getLogger('odd').warning('%d', 'no number')
"""
ODD = """
class Value(str):
    def __str__(self):
        return self
    def __reduce__(self):
        return (os._exit, (0,))

class Odd(Exception):
    def __init__(self, text, **more):
        super().__init__(text, threading.Lock())
        self.__dict__ |= more
    def __str__(self):
        return Value('it is odd')
"""


@both
@pytest.mark.parametrize("engine", ["compiled", "stock"])
def test_a_process_that_leaves_and_values_of_own_classes_are_told_and_fail_nobody_else(
    past: Project, begin, jobs, engine
):
    """os._exit(0) is no success, and no value of a migration's own class is made anew in the parent."""
    python(past, LEAVING, before=ODD)
    run = begin(past, "--engine", engine, RELEASE_JOBS=jobs).finish()

    assert (run.code, run.events[-1]["event"]) == (7, "release.finished"), run.text
    assert run.states == {
        "public": "migrated",
        "athena": "failed",
        "kypseli": "failed",
        "piraeus": "migrated",
    }
    left, odd = run.outcome("athena"), run.outcome("kypseli")
    assert "ended with code 0" in left["message"]
    assert left["failed_at"] == odd["failed_at"] == "announcements.0004_python"
    assert odd["message"].startswith("it is odd (Odd in announcements/migrations/0004_python.py, line ")
    assert odd["statement"] == ""
    assert len(left["applied"]) == len(odd["applied"]) > 0
    assert "lock" in run.event("odd")["value"]
    assert (run.event("odd")["odd"], run.event("odd")["error"]) == ("text", "it is odd")


def test_code_that_ends_the_process_while_migrations_are_read_does_not_end_it_in_silence(
    past: Project, begin
):
    """sys.exit(0) in a module of migrations leaves nothing migrated, so it is no success."""
    past.write("announcements/migrations/0004_exits.py", "import sys\n\nsys.exit(0)\n")
    run = begin(past).finish()

    assert (run.code, run.events[-1]["event"], run.stderr) == (1, "release.finished", ""), run.text
    assert past.database.applied("public", "users") == ["0001_initial"]


FORKING = """
child = os.fork()
if child == 0:
    if name == 'athena':
        connection.close()
    if name == 'kypseli':
        (here / 'lingering').write_text(f'{os.getpid()}\\n')
        wait()
    return
if name != 'kypseli':
    os.waitpid(child, 0)
else:
    while not (here / 'lingering').exists(): time.sleep(0.05)
    command = [sys.executable, '-c', 'import time; time.sleep(600)']
    (here / 'started').write_text(f'{subprocess.Popen(command).pid}\\n')
"""


@both
@pytest.mark.usefixtures("let_go")
def test_children_of_a_migration_neither_migrate_nor_keep_the_release(past: Project, begin, jobs):
    """A child that returns is no second worker, and one that lingers holds up nobody."""
    python(past, FORKING)
    run = begin(past, RELEASE_JOBS=jobs).finish(seconds=40)
    lingering, started = (number_in(past.folder / name) for name in ("lingering", "started"))
    both_alive = alive(lingering) and alive(started)
    os.kill(started, signal.SIGKILL)
    (past.folder / "leave").touch()

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert both_alive
    until(lambda: not alive(lingering), what="the end of the child that returns")
    for schema in ("athena", "kypseli", "piraeus"):
        assert past.database.applied(schema, "announcements").count("0004_python") == 1


@pytest.mark.usefixtures("let_go")
def test_a_dead_worker_whose_child_lives_on_is_noticed_at_once(past: Project, begin):
    """The child has inherited the worker's ends of everything."""
    python(past, "if name == 'kypseli':\n    if os.fork() == 0:\n        wait()\n    os._exit(3)")
    run = begin(past, RELEASE_JOBS="2").finish(seconds=40)

    assert (run.code, run.states["kypseli"], run.states["piraeus"]) == (7, "failed", "migrated"), run.text
    assert "ended with code 3" in run.outcome("kypseli")["message"]


@pytest.mark.usefixtures("let_go")
def test_a_thread_of_a_migration_is_waited_for_but_not_for_ever(past: Project, begin):
    """It has a session of its own, which is not the one that migrates."""
    before = "def loop():\n    connection.cursor().execute('SELECT 1')\n    wait()\n"
    python(past, "threading.Thread(target=loop).start()", before=before)
    run = begin(past, "--grace", "0.5", RELEASE_JOBS="2").finish(seconds=40)

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert "thread" in run.named("worker.lingered")[0]["message"]


def test_what_a_migration_prints_without_a_line_break_comes_in_pieces(past: Project, begin):
    """Nobody has to hold all of it at once."""
    python(past, "if name == 'kypseli': sys.stdout.write('x' * 10**6)")
    run = begin(past, RELEASE_JOBS="2", RELEASE_LOG_LEVEL="debug").finish(seconds=60)

    pieces = [len(one["message"]) for one in run.named("output.captured") if "xxx" in one["message"]]
    assert (run.code, sum(pieces), max(pieces)) == (0, 10**6, 10**5)


def reach_python(project: Project, release: Running) -> None:
    """Wait until the migration has begun in kypseli."""
    until(lambda: (project.folder / "began").exists() or release.ended, 60, "the migration")


SLEEPING = "if name == 'kypseli':\n    (here / 'began').touch()\n    wait()"


@pytest.mark.usefixtures("let_go")
@pytest.mark.parametrize(("jobs", "signum", "code"), [("1", signal.SIGTERM, 143), ("2", signal.SIGINT, 130)])
def test_a_migration_that_waits_in_python_is_ended_and_rolled_back_after_the_grace_period(
    past: Project, begin, jobs, signum, code
):
    """No signal reaches it by itself."""
    python(past, "connection.cursor().execute('CREATE TABLE half ()')\n" + SLEEPING)
    release = begin(past, "--grace", "1", RELEASE_JOBS=jobs)
    reach_python(past, release)
    release.process.send_signal(signum)
    run = release.finish(seconds=20)

    outcome = run.outcome("kypseli")
    assert (run.code, outcome["state"], run.events[-1]["event"]) == (code, "not reached", "release.finished")
    assert "announcements.0004_python went on for 1 s (--grace)" in outcome["message"]
    assert past.database.applied("kypseli", "announcements")[-1] == LAST
    assert "half" not in past.database.tables("kypseli")


@pytest.mark.usefixtures("let_go")
def test_a_migration_that_is_not_atomic_is_waited_for_beyond_the_grace_period_and_named(past: Project, begin):
    """Ended, it would be half done."""
    python(past, SLEEPING, atomic=False)
    release = begin(past, "--grace", "0.5", RELEASE_JOBS="2")
    reach_python(past, release)
    release.process.send_signal(signal.SIGTERM)
    told = release.reach("schema.insisted")
    going_on = release.process.poll() is None
    (past.folder / "leave").touch()
    run = release.finish(seconds=20)

    assert "announcements.0004_python is not atomic" in told["message"]
    assert (going_on, run.code) == (True, 143)
    assert past.database.applied("kypseli", "announcements")[-1] == "0004_python"


def test_a_migration_that_creates_a_tenant_or_calls_migrate_schemas_disturbs_nobody(past: Project, begin):
    """What it has left undone there, the next release does."""
    python(
        past,
        "from django_tenants.utils import schema_context\n"
        "from django.core.management import call_command\n"
        "from tenants.models import Client\n"
        "if name == 'athena':\n"
        "    with schema_context('public'): Client(schema_name='newborn', name='New').save(verbosity=0)\n"
        "if name == 'kypseli':\n"
        "    call_command('migrate_schemas', schema_name='public', verbosity=0)\n",
    )
    run = begin(past, RELEASE_JOBS="2").finish()
    following = begin(past, name="next").finish()

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert (following.code, following.report["findings"]) == (0, [])
    for schema in ("athena", "kypseli", "piraeus", "newborn"):
        assert past.database.applied(schema, "announcements")[-1] == "0004_python"


def with_other_databases(project: Project, url: str) -> None:
    """The project has two more aliases."""
    project.settings(
        "from urllib.parse import urlsplit as _split\n"
        f"_url = _split({url!r})\n"
        "DATABASES['other'] = DATABASES['default'] | {\n"
        "    'ENGINE': 'django.db.backends.postgresql', 'NAME': _url.path[1:], 'USER': _url.username or '',\n"
        "    'PASSWORD': _url.password or '', 'HOST': _url.hostname or '', 'PORT': _url.port or ''}\n"
        "DATABASES['file'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'file.sqlite3'}\n"
    )


def test_other_databases_are_at_a_migrations_service_and_their_loss_is_no_other_tenants(
    past: Project, begin, new_database
):
    """A SQLite connection has no session to know of; a lost one is opened anew for the next tenant."""
    with_other_databases(past, new_database().url)
    python(
        past,
        "connections['file'].cursor().execute('SELECT 1')\n"
        "connections['other'].cursor().execute('SELECT 1')\n"
        "try: connections['other'].cursor().execute('SELECT pg_terminate_backend(pg_backend_pid())')\n"
        "except Exception: pass\n",
    )
    run = begin(past, RELEASE_JOBS="1").finish()

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text


def test_a_signal_cancels_the_statement_in_the_tenants_database_and_no_other(
    past: Project, begin, new_database
):
    """The connection that was opened last is another alias'."""
    with_other_databases(past, new_database().url)
    python(
        past,
        "if name == 'kypseli':\n"
        "    connections['other'].cursor().execute('SELECT 1')\n"
        "    (here / 'began').touch()\n"
        "    connection.cursor().execute('SELECT pg_sleep(600)')\n",
    )
    release = begin(past, "--grace", "600", RELEASE_JOBS="2")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'"
    until(lambda: past.database.sql(waiting), what="the statement")
    release.process.send_signal(signal.SIGTERM)

    assert release.finish(seconds=20).states["kypseli"] == "not reached"
