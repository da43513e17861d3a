"""One thin Hydra application per command. Nothing heavy is imported before the configuration is known to be right."""

import os
import signal
import sys
from pathlib import Path

if any(Path(word).name.startswith(("adain.cli.", "adain-")) for word in sys.orig_argv[1:3]):  # a command starts
    # While it is imported (seconds, with torch), Ctrl-C ends it without a traceback. From `app.start` on it is handled.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A thread that is done with its share of an operation waits for the others by counting, before it gives its core away.
    # GNU's OpenMP, which reads this when torch is imported, counts to 300,000: milliseconds at each of a step's hundreds of
    # operations, if another process has the core that is waited for. Counting to 1,000 is several times faster on such a
    # machine, and up to a seventh slower on a quiet one. See docs/speed.md.
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2 if hasattr(os, "getloadavg") else False
    if busy and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
