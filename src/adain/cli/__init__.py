"""One thin Hydra application per command. Nothing heavy is imported before the configuration is known to be right."""

import signal
import sys
from pathlib import Path

# While a command is imported (seconds, with torch), Ctrl-C ends it without a traceback. From `app.start` on it is handled.
if (
    any(Path(word).name.startswith(("adain.cli.", "adain-")) for word in sys.orig_argv[1:3])
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
