"""``python -m railway_release``."""

import sys

from railway_release.cli import main

sys.exit(main())
