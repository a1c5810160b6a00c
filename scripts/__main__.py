"""Run a script by its name: ``python -m scripts demo``.

So Ctrl-C is quiet from the start, also during the imports of the script, before it has set a handler.
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
        # The reader of our output has closed it, as `head` does.
        os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_main(sys.argv[1]))
