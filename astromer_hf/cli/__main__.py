# Copyright 2026 The astromer_hf developers. MIT licence.
"""`python -m astromer_hf.cli`, the same as `python -m astromer_hf`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
