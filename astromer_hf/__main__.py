# Copyright 2026 The astromer_hf developers. MIT licence.
"""`python -m astromer_hf`, the command without its script; `torchrun` and `accelerate launch` can start it."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
