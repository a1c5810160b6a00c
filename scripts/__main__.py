"""Run a script by its name: ``python -m scripts demo``.

A detour that pays for itself: Ctrl-C is quiet from here on, also while the script's own imports, which
take a moment, have not come as far as a handler.
"""

from __future__ import annotations

import os
import signal
import sys


def _main(name: str) -> int:
    from importlib import import_module

    try:
        return int(import_module(f"scripts.{name}").main())
    except BrokenPipeError:
        # The reader of our output has left, as `head` does; there is nobody to tell more to.
        os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_main(sys.argv[1]))
