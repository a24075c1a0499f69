"""--json: stdout is one JSON document, whatever happens; log lines go to stderr."""

import json

import pytest

from tests.support.release import Project, Run

KEYS = {
    "version",
    "command",
    "run_id",
    "exit_code",
    "error",
    "causes",
    "phases_ms",
    "backup",
    "counts",
    "pending",
    "schemas",
    "findings",
}


def logs(run: Run) -> list[dict[str, object]]:
    """Each line of stderr, which must be one JSON object."""
    return [json.loads(line) for line in run.stderr.splitlines()]


@pytest.mark.parametrize(
    ("words", "code"), [((), 0), (("plan",), 9), (("verify",), 0), (("check",), 9), (("status",), 0)]
)
def test_stdout_is_the_report_and_stderr_the_log(past: Project, words: tuple[str, ...], code: int):
    run = past.run(*words, "--json")

    assert (run.code, json.loads(run.stdout)) == (code, run.report)
    assert logs(run)[-1]["event"] == f"{(*words, 'release')[0]}.finished"


def test_the_report_has_the_keys_that_scripts_rely_on(past: Project):
    run = past.run("--json")

    assert set(json.loads(run.stdout)) >= KEYS


@pytest.mark.parametrize(
    ("words", "environ", "code", "error"),
    [
        (("--lock-timeout", "never"), {}, 2, "configuration.invalid"),
        (("--settings", "no.such"), {}, 2, "settings.failed"),
        ((), {"DATABASE_URL": ""}, 3, "database.url_unusable"),
        (("--require-backup",), {}, 5, "backup.failed"),
    ],
)
def test_an_error_is_a_document_too(
    past: Project, words: tuple[str, ...], environ: dict[str, str], code: int, error: str
):
    run = past.run("--json", *words, **environ)

    document = json.loads(run.stdout)
    assert (run.code, document["exit_code"], document["error"]) == (code, code, error)
    assert [(cause["exit_code"], bool(cause["message"])) for cause in document["causes"]] == [(code, True)]


def test_a_project_that_is_not_found_is_a_document_too(past: Project):
    run = past.run("--json", cwd=past.folder.parent / "project" / "config")

    assert (run.code, json.loads(run.stdout)["error"]) == (2, "project.not_found")


def test_a_crash_is_a_document_too(past: Project):
    past.write("tenants/models.py", (past.folder / "tenants" / "models.py").read_text() + CRASH)

    run = past.run("--json")

    assert (run.code, json.loads(run.stdout)["exit_code"]) == (1, 1)
    assert [line["event"] for line in logs(run)].count("release.crashed") == 1


CRASH = "\n\nClient.objects.get_queryset = lambda: 1 // 0\n"


@pytest.mark.parametrize(
    "line",
    [
        "print('the lift')",
        "print('the lift', file=sys.__stdout__, flush=True)",
        "subprocess.run(['echo', 'the lift'], check=True)",
    ],
)
def test_nothing_that_the_project_prints_gets_into_the_document(past: Project, line: str):
    past.settings(f"import subprocess, sys\n{line}")

    run = past.run("plan", "--json")

    assert json.loads(run.stdout) == run.report


def test_the_readable_format_goes_to_stderr(past: Project):
    run = past.run("plan", "--json", "--log-format", "console")

    assert (json.loads(run.stdout), run.stderr.endswith("\n")) == (run.report, True)
    assert "plan done (exit 9) in" in run.stderr


def test_letters_of_all_alphabets_are_kept(new_database, template, tmp_path):
    project = Project(tmp_path / "project", new_database(template("athena")))
    project.database.sql('ALTER SCHEMA athena RENAME TO "αθήνα"')
    project.database.sql("UPDATE public.tenants_client SET schema_name = 'αθήνα'")

    run = project.run("plan", "--json")

    schemas = [name for group in json.loads(run.stdout)["pending"] for name in group["schemas"]]
    assert sorted(schemas) == ["public", "αθήνα"]
