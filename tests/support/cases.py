"""Models for a project's copy that point at shared objects in every way Django knows."""

from .release import Project

PEOPLE = """
from django.conf import settings
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models
from users.models import User


class Profile(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    code = models.CharField(max_length=10, unique=True)
    elder = models.ForeignKey("self", models.CASCADE, null=True)


class Company(models.Model):
    name = models.CharField(max_length=10)
    tags = GenericRelation("cases.Tag")


class Firm(Company):
    pass


class Person(User):
    class Meta:
        proxy = True
"""

CASES = """
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from people.models import Company, Profile
from users.models import User


class Lease(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)

    def __str__(self):
        return f"lease of {Lease.objects.filter(user=self.user_id).count()}"


class Deposit(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.RESTRICT, related_name="+")
    key = models.ForeignKey("Key", models.CASCADE, null=True)


class Note(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    editor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_DEFAULT, default=None, null=True, related_name="+"
    )


class Key(models.Model):
    profile = models.ForeignKey(Profile, models.CASCADE, to_field="code")


class Repair(models.Model):
    key = models.ForeignKey(Key, models.CASCADE)
    first = models.ForeignKey("self", models.CASCADE, null=True)


class Club(models.Model):
    members = models.ManyToManyField(settings.AUTH_USER_MODEL)


class Visit(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.DO_NOTHING)


class Tag(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    content_object = GenericForeignKey()


class Caretaker(User):
    area = models.CharField(max_length=10)
    serves = models.ForeignKey(Profile, models.CASCADE, null=True)


class Contract(models.Model):
    company = models.ForeignKey(Company, models.CASCADE)
"""

PLACES = """
from django.db import models


class Town(models.Model):
    name = models.CharField(max_length=10)


class Street(models.Model):
    town = models.ForeignKey(Town, models.CASCADE)
"""


def add_cases(project: Project) -> None:
    """Add the apps `people` (shared), `cases` (tenants') and `places` (both), and migrate everything."""
    for app, models in (("people", PEOPLE), ("cases", CASES), ("places", PLACES)):
        project.write(f"{app}/__init__.py", "")
        project.write(f"{app}/models.py", models)
    project.settings(
        'SHARED_APPS += ["people", "places"]\n'
        'TENANT_APPS += ["cases", "places"]\n'
        'INSTALLED_APPS += ["people", "places", "cases"]'
    )
    project.manage("makemigrations", "-v", "0", "people", "cases", "places")
    project.manage("migrate_schemas", "-v", "0")
