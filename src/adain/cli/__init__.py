"""One thin Hydra application per command. Nothing heavy is imported before the configuration is known to be right."""

import signal
import sys

# While `python -m adain.cli.X` is imported (seconds, with torch), Ctrl-C ends it without a traceback. Then `app.run` does.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
