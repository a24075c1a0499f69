"""Swappable models are looked up among the models of today."""

from django.db import models


class Original(models.Model):
    name = models.CharField(max_length=30)

    class Meta:
        swappable = "SWAPPING_MODEL"

    def __str__(self):
        return self.name


class Kept(models.Model):
    name = models.CharField(max_length=30)

    class Meta:
        swappable = "SWAPPING_KEPT_MODEL"

    def __str__(self):
        return self.name


class Replacement(models.Model):
    title = models.CharField(max_length=30, db_index=True)

    def __str__(self):
        return self.title
