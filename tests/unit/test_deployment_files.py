"""What the files of a working tree say about when migrations run on Railway."""

from pathlib import Path

import pytest

from railway_release.diagnosis.files import causes, migrates

GUNICORN = "gunicorn config.wsgi"
OURS = "python run_migrations.py"
CHECK = f"sh -c '{OURS} check --start && exec {GUNICORN}'"
BARE = "python manage.py migrate_schemas --shared && python manage.py migrate_schemas"

TREES = {
    "nothing at all": ({}, []),
    "release beside web": ({"Procfile": f"release: {OURS}\nweb: {CHECK}\n"}, ["procfile.ignored warning"]),
    "release beside worker": (
        {"Procfile": f"release: {OURS}\nworker: celery\n"},
        ["procfile.ignored warning"],
    ),
    "release alone": ({"Procfile": f"release: {OURS}\n"}, ["procfile.ignored error"]),
    "release in a comment": ({"Procfile": f"# release: {OURS}\nweb: {CHECK}\n"}, []),
    "release with a Dockerfile": (
        {"Procfile": f"release: {OURS}\n", "Dockerfile": f"FROM python\nCMD {GUNICORN}\n"},
        ["procfile.ignored warning"],
    ),
    "release with Nixpacks": (
        {"Procfile": f"release: {OURS}\nweb: {GUNICORN}\n", "nixpacks.toml": "[phases.setup]\n"},
        ["procfile.ignored warning"],
    ),
    "release that is of no use any more": (
        {
            "Procfile": f"release: {OURS}\nweb: {GUNICORN}\n",
            ".railway/railway.ts": f'service("web", {{ preDeploy: "{OURS}" }})',
        },
        ["procfile.ignored info"],
    ),
    "release with Django's own command": (
        {"Procfile": f"release: {BARE} && python manage.py collectstatic\nweb: {GUNICORN}\n"},
        ["procfile.ignored warning", "migrate.bare warning"],
    ),
    "pre-deploy in TypeScript": (
        {".railway/railway.ts": f'service("web", {{ preDeploy: "{OURS}", start: "{GUNICORN}" }})'},
        [],
    ),
    "pre-deploy as a list in TypeScript": (
        {".railway/railway.ts": f"service('web', {{ preDeploy: ['{BARE}'], start: `{GUNICORN}` }})"},
        ["migrate.bare warning"],
    ),
    "a start that migrates in TypeScript": (
        {".railway/railway.ts": f'service("web", {{ start: "{OURS} && {GUNICORN}" }})'},
        ["start.migrates warning"],
    ),
    "pre-deploy that was migrated into a comment": (
        {
            ".railway/railway.ts": 'service("web", {\n'
            f'    start: "{GUNICORN}",\n    // preDeployCommand from CaC: ["{OURS}"]\n}})'
        },
        ["predeploy.commented warning"],
    ),
    "pre-deploy beside the comment that it comes from": (
        {
            ".railway/railway.ts": f'service("web", {{ start: "{GUNICORN}",\n'
            f'    // preDeployCommand from CaC: ["{OURS}"]\n    preDeploy: "{OURS}" }})'
        },
        [],
    ),
    "a comment that migrates nothing": (
        {
            ".railway/railway.ts": f'service("web", {{ start: "{GUNICORN}",\n'
            '    // preDeployCommand from CaC: ["echo hello"]\n})'
        },
        [],
    ),
    "pre-deploy in Python": (
        {".railway/railway.py": f'service("web", preDeploy=["{BARE}"], start="{GUNICORN}")'},
        ["migrate.bare warning"],
    ),
    "a start that migrates in Python": (
        {".railway/railway.py": f'service("web", **{{"start": "{OURS} && {GUNICORN}"}})'},
        ["start.migrates warning"],
    ),
    "no start command": (
        {".railway/railway.ts": f'service("web", {{ preDeploy: "{OURS}" }})'},
        ["start.default info"],
    ),
    "railway.json, which ends": (
        {
            "railway.json": '{"deploy": {"preDeployCommand": ["python run_migrations.py"], '
            '"startCommand": "gunicorn x"}}'
        },
        ["config.expiring warning"],
    ),
    "railway.json that starts with migrate": (
        {"railway.json": '{"deploy": {"startCommand": "python manage.py migrate && gunicorn x"}}'},
        ["start.migrates warning", "config.expiring warning"],
    ),
    "railway.json that cannot be parsed": (
        {"railway.json": "{", "Procfile": f"web: {GUNICORN}"},
        ["config.expiring warning"],
    ),
    "railway.toml with Nixpacks": (
        {
            "railway.toml": '[build]\nbuilder = "NIXPACKS"\n[deploy]\nstartCommand = "gunicorn x"\n',
            "Procfile": f"release: {OURS}\n",
        },
        ["procfile.ignored warning", "config.expiring warning"],
    ),
    "web that migrates": (
        {"Procfile": f"web: python manage.py migrate && {GUNICORN}\n"},
        ["start.migrates warning"],
    ),
    "web that is not used": (
        {
            "Procfile": f"web: python manage.py migrate && {GUNICORN}\n",
            "Dockerfile": f"FROM python\nCMD {GUNICORN}\n",
        },
        [],
    ),
    "a Dockerfile's CMD as words": (
        {"Dockerfile": 'FROM python\nCMD ["sh", "-c", "python manage.py migrate && gunicorn x"]\n'},
        ["start.migrates warning"],
    ),
    "the CMD of a stage before the last": (
        {"Dockerfile": f"FROM python AS a\nCMD python manage.py migrate\nFROM a\nCMD {GUNICORN}\n"},
        [],
    ),
    "a CMD over two lines": (
        {"Dockerfile": f"FROM python\nCMD python manage.py migrate \\\n  && {GUNICORN}\n"},
        ["start.migrates warning"],
    ),
    "an entrypoint script": (
        {
            "Dockerfile": f'FROM python\nENTRYPOINT ["/app/bin/entry.sh"]\nCMD {GUNICORN}\n',
            "bin/entry.sh": '#!/bin/sh\npython manage.py migrate_schemas --noinput\nexec "$@"\n',
        },
        ["start.migrates warning"],
    ),
    "an entrypoint script that no longer does": (
        {
            "Dockerfile": f'FROM python\nENTRYPOINT ["./entry.sh"]\nCMD {GUNICORN}\n',
            "entry.sh": '#!/bin/sh\n# python manage.py migrate_schemas\nexec "$@"\n',
        },
        [],
    ),
    "railpack.json that starts with migrate": (
        {"railpack.json": f'{{"deploy": {{"startCommand": "{OURS} && {GUNICORN}"}}}}'},
        ["start.migrates warning"],
    ),
    "railpack.json with a start command": (
        {"railpack.json": f'{{"deploy": {{"startCommand": "{GUNICORN}"}}}}'},
        [],
    ),
    "railpack.json with a step that migrates": (
        {
            "railpack.json": f'{{"deploy": {{"startCommand": "{GUNICORN}"}}, '
            f'"steps": {{"build": {{"commands": ["...", {{"cmd": "{OURS}"}}]}}}}}}'
        },
        ["build.migrates warning"],
    ),
    "nixpacks.toml that starts with migrate": (
        {"nixpacks.toml": f'[start]\ncmd = "python manage.py migrate && {GUNICORN}"\n'},
        ["start.migrates warning"],
    ),
    "nixpacks.toml with a phase that migrates": (
        {"nixpacks.toml": f'[phases.build]\ncmds = ["{OURS}"]\n[start]\ncmd = "{GUNICORN}"\n'},
        ["build.migrates warning"],
    ),
    "a builder's file that railway.json overrides": (
        {
            "railpack.json": f'{{"deploy": {{"startCommand": "{OURS} && {GUNICORN}"}}}}',
            "railway.json": f'{{"deploy": {{"startCommand": "{GUNICORN}"}}}}',
        },
        ["config.expiring warning"],
    ),
    "a builder's file beside a Dockerfile": (
        {"railpack.json": f'{{"deploy": {{"startCommand": "{OURS}"}}}}', "Dockerfile": f"CMD {GUNICORN}\n"},
        [],
    ),
    "a Dockerfile of another name": (
        {
            "railway.json": '{"build": {"dockerfilePath": "docker/web.Dockerfile"}}',
            "docker/web.Dockerfile": f"FROM python\nCMD {OURS} && {GUNICORN}\n",
        },
        ["start.migrates warning", "config.expiring warning"],
    ),
    "a build that migrates": (
        {"Dockerfile": f"FROM python\nRUN pip install x && {OURS}\nCMD {GUNICORN}\n"},
        ["build.migrates warning"],
    ),
}


def written(folder: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("tree", "found"), list(TREES.values()), ids=list(TREES))
def test_a_tree(tmp_path, tree, found):
    assert [f"{one.id} {one.severity}" for one in causes(written(tmp_path, tree))] == found


def test_the_files_may_lie_above_the_project_in_its_repository(tmp_path):
    written(tmp_path, {".git/HEAD": "", "Procfile": f"release: {OURS}\n", "backend/manage.py": ""})

    assert [one.id for one in causes(tmp_path / "backend")] == ["procfile.ignored"]


def test_the_files_of_a_project_and_of_its_repository_are_read_together(tmp_path):
    tree = {
        ".git/HEAD": "",
        "railway.json": f'{{"deploy": {{"preDeployCommand": ["{BARE}"]}}}}',
        "backend/Procfile": f"web: {OURS} && {GUNICORN}\n",
    }
    found = causes(written(tmp_path, tree) / "backend")

    assert [one.id for one in found] == ["start.migrates", "migrate.bare", "config.expiring"]


def test_a_comment_that_migrated_is_found_above_a_dockerfile(tmp_path):
    tree = {
        ".git/HEAD": "",
        ".railway/railway.ts": f'service("web", {{\n    // preDeployCommand from CaC: ["{OURS}"]\n}})',
        "backend/Dockerfile": f"FROM python\nCMD {GUNICORN}\n",
    }

    assert [one.id for one in causes(written(tmp_path, tree) / "backend")] == ["predeploy.commented"]


def test_files_above_the_repository_are_nobodys(tmp_path):
    written(tmp_path, {"Procfile": f"release: {OURS}\n", "project/.git/HEAD": ""})

    assert list(causes(tmp_path / "project")) == []


def test_the_evidence_is_the_line_that_migrates(tmp_path):
    tree = {"Dockerfile": "FROM python\nCMD ./start.sh\n", "start.sh": "set -e\npython manage.py migrate\n"}
    (found,) = causes(written(tmp_path, tree))

    assert found.seen == "Dockerfile CMD: python manage.py migrate"


@pytest.mark.parametrize(
    "text",
    [
        "python run_migrations.py",
        "python run_migrations.py --tenants-only",
        "sh -c 'python run_migrations.py && exec gunicorn x'",
        "python run_migrations.py release",
        "railway-release",
        "python -m railway_release",
        "python manage.py migrate",
        "python manage.py migrate_schemas --shared",
        "django-admin migrate",
        "python -m django migrate",
    ],
)
def test_commands_that_migrate(text):
    assert migrates(text)


@pytest.mark.parametrize(
    "text",
    [
        "python run_migrations.py check --start",
        "python run_migrations.py plan",
        "python run_migrations.py doctor",
        "railway-release verify",
        "python manage.py migrate --check",
        "python manage.py runserver",
        "python manage.py makemigrations",
        "gunicorn config.wsgi",
        "cat run_migrations.pyc",
    ],
)
def test_commands_that_do_not(text):
    assert not migrates(text)
