"""A base that is a class and not a name."""

from django.db import models


class Owned(models.Model):
    owner = models.ForeignKey("chains.Base", models.CASCADE, null=True)

    class Meta:
        abstract = True
