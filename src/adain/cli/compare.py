"""``make compare``: the paper's table and figures over all four systems, in one run on one machine."""

from __future__ import annotations

from functools import partial

from omegaconf import DictConfig

from adain.cli.app import run
from adain.cli.plain import make_loggers, plain_values
from adain.cli.preflight.evaluation import check_comparison
from adain.evaluation.paper.request import read_request


def compare(config: DictConfig) -> None:
    """Compare the systems, and print where the report is."""
    check_comparison(config)
    from adain.cli.compare_training import Trainings
    from adain.cli.quiet import quieten
    from adain.evaluation.paper.work import compare_systems, settings_of
    from adain.evaluation.run import check_readable
    from adain.runtime.device import find_device
    from adain.runtime.files import check_writable
    from adain.runtime.memory import keep_freed_memory

    device, keys = find_device(config.device), plain_values(config)
    request = read_request(keys)
    folder = request.folder(settings_of(request, device))
    check_writable(folder)
    quieten()
    trainings = Trainings(keys, device.type)
    for training in request.missing:
        trainings.check(training, folder / "trained")
    check_readable(request.pairs)
    keep_freed_memory()
    compare_systems(request, device, folder, trainings.train, partial(make_loggers, config))
    print(f"\nreport    {folder}/compare.md\ntables    {folder}/*.csv\nfigures   {folder}/*.png")


def main() -> None:
    """Run the command."""
    run("compare", compare)


if __name__ == "__main__":
    main()
