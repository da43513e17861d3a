"""``make watch``: W&B's terminal dashboard over the local runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from adain.cli.app import start
from adain.cli.arguments import plain_keys
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.training.dashboard import gather

_HELP = "make watch [run=PATH] : W&B's terminal dashboard over the runs below logs=logs, or over one's folder"
_LOOK_EVERY = 5.0  # seconds


def watch(typed: list[str]) -> None:
    """Open ``wandb leet`` on every run below ``logs``, or on ``run=PATH``, a run's or a sweep's folder."""
    given = plain_keys(typed, _HELP, run="PATH", logs="PATH")
    root = expanded(given.get("run") or given["logs"])
    with tempfile.TemporaryDirectory(prefix="adain-watch-") as links:  # links below logs could hit upon W&B's own runs
        if not gather(root, Path(links)):
            raise UserError(f"{root} holds no W&B run: train one with make train, or give run=PATH of a run's folder")
        with subprocess.Popen([sys.executable, "-m", "wandb", "leet", links]) as dashboard:
            while dashboard.poll() is None:
                try:
                    dashboard.wait(_LOOK_EVERY)
                except subprocess.TimeoutExpired:
                    gather(root, Path(links))  # the runs that a sweep has started meanwhile
                except KeyboardInterrupt:
                    continue  # the terminal sends it to the dashboard too, which ends by itself
                except SystemExit:  # SIGTERM and SIGHUP come to this process alone
                    dashboard.terminate()
                    raise
    sys.exit(dashboard.returncode)


def main() -> None:
    """Run the command."""
    start(watch)


if __name__ == "__main__":
    main()
