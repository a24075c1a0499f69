"""Finding the Django project, and blaming it for what is its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.release import ROOT, SCRIPT, Project, Run

APP_CONFIG = """\
from django.apps import AppConfig


class Config(AppConfig):
    name = "announcements"

    def ready(self):
        """

NO_MANAGE_PY = "import os\nos.environ.setdefault('SOMETHING_ELSE', 'x')\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that has nothing to do with the project."""
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    return folder


def run_copy(project: Project, script: Path, *words: str, cwd: Path) -> Run:
    """Run a script that is not the repository's own."""
    done = subprocess.run(
        [sys.executable, str(script), *words],
        cwd=cwd,
        env=project.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def failure(run: Run) -> str:
    """The message of the one error that ended the command."""
    (cause,) = run.report["causes"]
    return cause["message"]


def test_the_manage_py_of_the_working_directory_names_the_settings(past: Project):
    assert past.run("plan").code == 9


def test_a_manage_py_one_level_below_the_working_directory_names_the_settings(past: Project):
    past.folder.rename(past.folder.parent / "backend")

    run = past.run("plan", cwd=past.folder.parent)

    assert run.code == 9, run.text


def test_django_settings_module_is_enough(past: Project):
    (past.folder / "manage.py").unlink()

    run = past.run("plan", DJANGO_SETTINGS_MODULE="config.settings")

    assert run.code == 9, run.text


def test_the_settings_flag_wins_over_django_settings_module(past: Project):
    run = past.run("plan", "--settings", "config.settings", DJANGO_SETTINGS_MODULE="config.not_there")

    assert run.code == 9, run.text


def test_django_settings_module_wins_over_manage_py(past: Project):
    past.write("config/broken.py", "raise RuntimeError('these were asked for')")

    run = past.run("plan", DJANGO_SETTINGS_MODULE="config.broken")

    assert (run.code, "these were asked for" in failure(run)) == (2, True)


def test_other_settings_of_a_project_one_level_below_can_be_named(past: Project):
    past.write("config/production.py", "from config.settings import *\n")
    past.folder.rename(past.folder.parent / "backend")

    run = past.run("plan", cwd=past.folder.parent, DJANGO_SETTINGS_MODULE="config.production")

    assert run.code == 9, run.text


def test_a_copy_in_the_project_works_from_any_directory(past: Project, elsewhere: Path):
    shutil.copy(SCRIPT, past.folder)
    shutil.copytree(ROOT / "railway_release", past.folder / "railway_release")

    run = run_copy(past, past.folder / "run_migrations.py", "plan", cwd=elsewhere)

    assert run.code == 9, run.text


def test_what_is_printed_to_be_typed_works_where_it_was_printed(past: Project):
    shutil.copy(SCRIPT, past.folder)
    shutil.copytree(ROOT / "railway_release", past.folder / "railway_release")
    run = run_copy(past, Path(past.folder.name, "run_migrations.py"), "plan", cwd=past.folder.parent)
    (hint,) = re.findall(r"To migrate: (.+)", run.stdout)

    assert hint.endswith(f" {past.folder.name}/run_migrations.py")
    done = subprocess.run(  # noqa: S602 - as a person does
        hint, shell=True, cwd=past.folder.parent, env=past.environ(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_symbolic_link_in_the_project_works_from_any_directory(past: Project, elsewhere: Path):
    link = past.folder / "run_migrations.py"
    link.symlink_to(SCRIPT)

    run = run_copy(past, link, "plan", cwd=elsewhere)

    assert run.code == 9, run.text


def test_python_m_works_in_the_project(past: Project):
    done = subprocess.run(
        [sys.executable, "-m", "railway_release", "plan"],
        cwd=past.folder,
        env=past.environ(PYTHONPATH=str(ROOT)),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 9, done.stdout
    assert b" -m railway_release\n" in done.stdout


def test_a_folder_with_a_space_in_its_name_is_no_obstacle(past: Project):
    past.folder.rename(past.folder.parent / "the project")

    assert past.run("plan", cwd=past.folder.parent).code == 9


def test_without_a_project_the_error_names_what_was_looked_at(past: Project, elsewhere: Path):
    run = past.run("plan", cwd=elsewhere)

    assert (run.code, run.report["error"]) == (2, "project.not_found")
    assert [
        word for word in ("DJANGO_SETTINGS_MODULE", str(elsewhere), str(ROOT)) if word not in failure(run)
    ] == []


def test_several_projects_are_an_error_that_names_them(past: Project):
    shutil.copytree(past.folder, past.folder.parent / "another")

    run = past.run("plan", cwd=past.folder.parent)

    found = [str(past.folder.parent / name / "manage.py") in failure(run) for name in ("project", "another")]
    assert (run.code, run.report["error"], found) == (2, "project.not_found", [True, True])


def test_the_manage_py_of_the_working_directory_outranks_those_below(past: Project):
    past.write("plugin/manage.py", (past.folder / "manage.py").read_text().replace("config", "plugin"))

    assert past.run("plan").code == 9


def test_manage_py_is_read_and_not_run(past: Project):
    trace = past.folder / "trace"
    manage = (past.folder / "manage.py").read_text()
    past.write("manage.py", f"open({str(trace)!r}, 'w').close()\nraise SystemExit(5)\n{manage}")

    run = past.run("plan")

    assert (run.code, trace.exists()) == (9, False), run.text


def moved_into_src(project: Project, statement: str) -> None:
    """The project's packages lie in src/, beside a manage.py with this statement."""
    source = project.folder / "src"
    source.mkdir()
    for path in list(project.folder.iterdir()):
        if path.is_dir() and path != source:
            path.rename(source / path.name)
    head, _, rest = (project.folder / "manage.py").read_text().partition("import sys\n")
    project.write("manage.py", f"{head}import sys\n{statement}\n{rest}")


@pytest.mark.parametrize(
    "environ", [{}, {"DJANGO_SETTINGS_MODULE": "config.settings"}], ids=["found", "named"]
)
def test_a_folder_that_manage_py_puts_on_the_import_path_is_searched(past: Project, environ: dict[str, str]):
    moved_into_src(past, "sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'src'))")

    assert past.run("plan", **environ).code == 9
    assert past.run("plan", cwd=past.folder.parent, **environ).code == 9


def test_where_the_import_path_is_extended_in_an_unknown_way_pythonpath_is_named_and_helps(past: Project):
    moved_into_src(past, "sys.path.insert(0, *[os.path.abspath('src')])")

    run = past.run("plan")
    assert (run.code, run.report["error"], "set PYTHONPATH" in failure(run)) == (2, "settings.failed", True)
    assert past.run("plan", PYTHONPATH=str(past.folder / "src")).code == 9


@pytest.mark.parametrize(
    "source", ["def broken(:\n", NO_MANAGE_PY, ""], ids=["syntax error", "no settings", "empty"]
)
def test_a_manage_py_that_names_no_settings_is_told_apart_from_none(past: Project, source: str):
    manage = past.write("manage.py", source)

    run = past.run("plan")

    assert (run.code, run.report["error"]) == (2, "project.not_found")
    assert str(manage) in failure(run)


def test_a_manage_py_that_cannot_be_decoded_is_no_crash(past: Project):
    (past.folder / "manage.py").write_bytes(b"# caf\xe9\n")

    assert past.run("plan").code == 2


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("os.environ['STRIPE_PRICE']", "KeyError: 'STRIPE_PRICE'"),
        (
            "from django.core.exceptions import ImproperlyConfigured as E; raise E('no bucket')",
            "ImproperlyConfigured: no bucket",
        ),
        ("raise SystemExit('set STRIPE_PRICE first')", "SystemExit: set STRIPE_PRICE first"),
        ("raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_settings_that_raise_are_reported_with_cause_and_place(past: Project, line: str, cause: str):
    past.settings(line)
    number = len((past.folder / "config" / "settings.py").read_text().splitlines())

    run = past.run()

    place = f'File "{past.folder}/config/settings.py", line {number}'
    assert (run.code, run.report["error"]) == (2, "settings.failed")
    assert (cause in failure(run), place in failure(run)) == (True, True), failure(run)
    assert "Traceback" not in run.text


def test_a_syntax_error_in_the_settings_is_reported_with_its_place(past: Project):
    past.settings("DEBUG = = True")
    number = len((past.folder / "config" / "settings.py").read_text().splitlines())

    run = past.run()

    assert (run.code, run.report["error"]) == (2, "settings.failed")
    assert ("settings.py" in failure(run), f"line {number}" in failure(run)) == (True, True), failure(run)


@pytest.mark.parametrize(
    ("file", "source", "cause"),
    [
        (
            "announcements/models.py",
            "raise RuntimeError('the lift is stuck')",
            "RuntimeError: the lift is stuck",
        ),
        ("announcements/models.py", "import no_such_library", "No module named 'no_such_library'"),
        (
            "announcements/apps.py",
            APP_CONFIG + "raise SystemExit('not ready')\n",
            "SystemExit: not ready",
        ),
    ],
    ids=["models", "import", "ready"],
)
def test_apps_that_raise_are_reported_with_cause_and_place(past: Project, file: str, source: str, cause: str):
    past.write(file, source)

    run = past.run()

    assert (run.code, run.report["error"]) == (2, "settings.failed")
    assert (cause in failure(run), f'File "{past.folder}/{file}"' in failure(run)) == (True, True), failure(
        run
    )
    assert "Traceback" not in run.text


def test_an_app_that_is_not_installed_is_the_projects_failure(past: Project):
    past.settings("INSTALLED_APPS += ['no_such_app']")

    run = past.run()

    assert (run.code, run.report["error"]) == (2, "settings.failed")
    assert "No module named 'no_such_app'" in failure(run)


def test_settings_that_do_not_exist_are_named(past: Project):
    run = past.run("plan", "--settings", "config.not_there")

    assert (run.code, run.report["error"]) == (2, "settings.failed")
    assert "config.not_there" in failure(run)


def test_setting_django_up_may_itself_need_the_database(past: Project):
    past.settings("PG_EXTRA_SEARCH_PATHS = ['extensions']")

    assert past.run("plan").code == 9


def test_apps_that_open_a_connection_early_meet_the_chosen_one(past: Project):
    past.write(
        "announcements/apps.py",
        "from django.db import connection\n" + APP_CONFIG + "connection.ensure_connection()\n",
    )
    url = past.database.url
    run = past.run(
        DATABASE_URL="postgresql://db.railway.internal/" + url.rpartition("/")[2], RELEASE_DATABASE_URL=url
    )

    assert run.code == 0, run.text


def test_a_session_that_an_app_has_begun_has_no_timeouts_and_is_replaced_when_it_ends(past: Project):
    name = past.database.url.rpartition("/")[2]
    past.database.sql(f"ALTER DATABASE {name} SET idle_session_timeout = '9min'")
    lines = (
        "from django.db import connection",
        "with connection.cursor() as cursor:",
        "    cursor.execute('SHOW idle_session_timeout')",
        "    assert cursor.fetchone() == ('0',)",
        "    try:",
        "        cursor.execute('SELECT pg_terminate_backend(pg_backend_pid())')",
        "    except Exception:",
        "        pass",
    )
    past.write("announcements/apps.py", APP_CONFIG + "\n        ".join(lines) + "\n")
    run = past.run("plan", RELEASE_RETRY_FOR="2")

    assert (run.code, run.report["error"]) == (9, ""), run.text
