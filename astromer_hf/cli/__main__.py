# Copyright 2026 The astromer_hf developers. MIT licence.
"""`python -m astromer_hf.cli`, the same as `python -m astromer_hf` but for a Ctrl-C before the first import is done."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
