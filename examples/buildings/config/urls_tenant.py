"""The site of one tenant."""

from django.urls import path

from announcements import views as announcements
from buildings import views as buildings

urlpatterns = [
    path("", buildings.index),
    path("announcements/", announcements.index),
]
