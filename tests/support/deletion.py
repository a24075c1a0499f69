"""Deleting through delete_everywhere in a process of the project, and looking at what is left."""

import json
from typing import Any

from tests.conftest import TENANTS

from .release import Project

START = """
import json
from django.db import connection, transaction
from django_tenants.utils import schema_context
from users.models import User
from buildings.models import Building, BuildingMembership
from railway_release.django.deletion import delete_everywhere
eleni = User.objects.get(username="eleni")

def show(value):
    print(json.dumps(value))

def refusal(act):
    try:
        act()
    except Exception as error:
        return [type(error).__name__, str(error)]
"""
CASES = """
from people.models import *
from cases.models import *
from places.models import *
"""


def shown(project: Project, code: str, start: str = START) -> Any:
    """Run code in the shared schema; what it showed."""
    return json.loads(project.python(start + code).splitlines()[-1])


def shown_of_cases(project: Project, code: str) -> Any:
    return shown(project, code, START + CASES)


def memberships(project: Project) -> list[str]:
    """How many memberships each tenant has."""
    return [
        project.database.sql(f"SELECT count(*) FROM {schema}.buildings_buildingmembership")
        for schema in TENANTS
    ]
