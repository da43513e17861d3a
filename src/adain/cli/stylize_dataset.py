"""``make stylize-dataset``: every picture of a folder in a random style, in shards, resumable."""

from __future__ import annotations

import shlex

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from adain.cli import app
from adain.cli.plain import plain_values
from adain.inference.dataset import stylize as dataset
from adain.inference.dataset.stylize import DatasetReport, DatasetRequest
from adain.runtime.errors import UserError
from adain.runtime.extras import as_typed_here
from adain.runtime.quoting import FILE_KEYS

_KINDS = {"content": "contents", "style": "styles"}


def stylize_dataset(config: DictConfig) -> None:
    """Make what is not there yet; print what was made, how fast, and what to type next."""
    request = DatasetRequest(**plain_values(config))
    _print_report(request, dataset.stylize_dataset(request))


def _print_report(request: DatasetRequest, report: DatasetReport) -> None:
    there = f", {report.before} were there already" if report.before else ""
    speed = f"  ({report.made / report.seconds:.1f} pictures per second)" if report.made else ""
    print(f"\nmade          {report.made} pictures{there}{speed}")
    print(f"pictures      {request.folder('out')}/")
    print(f"manifest      {report.manifest}")
    following = request.shard + 1
    if following < request.shards:
        typed = (a.partition("=") for a in HydraConfig.get().overrides.task if not a.startswith("shard="))
        words = [f"{key}={getattr(request, key) if key in FILE_KEYS else value}" for key, _, value in typed]
        print(as_typed_here(f"next          make stylize-dataset {' '.join(map(_shell, words))} shard={following}"))
    elif request.shards > 1:
        others = "shard 0" if request.shards == 2 else f"shards 0 to {request.shards - 2}"
        print(f"next          {others}, if not done yet")
    else:
        print(f"next          head -n 3 {shlex.quote(str(report.manifest))}   (what came from what)")
    if report.skipped:
        counts = [f"{report.skipped[kind]} {word}" for kind, word in _KINDS.items() if kind in report.skipped]
        raise UserError(f"{' and '.join(counts)} cannot be read and were skipped, listed in {report.unreadable}")


def _shell(word: str) -> str:
    return shlex.quote(word).replace("$", "$$")  # make takes a single $ for itself


def main() -> None:
    """The command."""
    app.run("stylize_dataset", stylize_dataset)


if __name__ == "__main__":
    main()
