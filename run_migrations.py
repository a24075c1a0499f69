#!/usr/bin/env python
"""Migrate the shared schema, then every tenant schema: ``python run_migrations.py --help``."""

import sys

from railway_release.cli import main

if __name__ == "__main__":
    sys.exit(main())
