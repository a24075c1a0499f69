"""The site of the housing management company: everybody who signs in, and the tenants."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
