"""The models that user code gets, beside those that Django renders for it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.oracle.test_operations import TOPICS

ROOT = Path(__file__).resolve().parents[2]


def compared(project, *labels):
    """Numbers of states, of those with shared classes, of models rendered for all, by Django; differences."""
    environ = project.environ(PYTHONPATH=str(ROOT), DJANGO_SETTINGS_MODULE="config.settings")
    command = [sys.executable, "-m", "tests.support.rendered", *labels]
    done = subprocess.run(
        command, cwd=project.folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_states_of_shared_classes_look_as_django_renders_them(topic):
    """Whatever state is looked at, and when, all that can be reached from it is as in Django's."""
    project = topic(*TOPICS)
    states, together, rendered, by_django, differences = compared(project, *TOPICS)

    assert differences == []
    assert together > states * 0.9
    assert rendered < by_django / 3
