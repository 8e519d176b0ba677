# Copyright 2026 The astromer_hf developers. MIT licence.
"""`python -m astromer_hf` and the script `astromer-hf`; `torchrun` and `accelerate launch` can start the first.

Nothing is imported before `main` runs, so that Ctrl-C is one line at any time.
"""

import signal
import sys


def main() -> int:
    """Run the command of this process; see `cli.main.main`."""
    try:
        from .cli.main import main as run

        status = run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    if status == 130:  # a second Ctrl-C, while the interpreter shuts down, has nothing more to say
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


if __name__ == "__main__":
    sys.exit(main())
