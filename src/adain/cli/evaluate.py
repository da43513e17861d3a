"""``make evaluate``: figures of a decoder, or of finished outputs, over pairs of contents and styles."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from adain.cli.app import run
from adain.cli.plain import as_fields, make_loggers
from adain.cli.preflight.evaluation import check_evaluation, count_or_file, listed, metric_names
from adain.evaluation.request import Evaluation, is_evaluation
from adain.methods.interface import CAPABILITIES, known_method
from adain.runtime.files import check_writable, expanded, fitting_name
from adain.training.checkpoints import resolve_checkpoint

if TYPE_CHECKING:
    from adain.evaluation.evaluate import Report


def evaluate(config: DictConfig) -> None:
    """Measure, write the tables and the page, and print where they are."""
    check_evaluation(config)
    if config.compare is not None:
        _compare(expanded(config.compare[0]), expanded(config.compare[1]), None, config)
        return
    from adain.data.benchmark import benchmark_folders
    from adain.evaluation.pairs import find_pairs

    content, style = config.content, config.style
    if config.benchmark.name is not None:
        content, style = benchmark_folders(config.benchmark.name, config.benchmark.pictures)
    pairs = find_pairs(content, style, count_or_file(config.pairs), config.pairing, config.outputs, config.seed)
    model, logs, out = known_method(config.model.name), Path(config.logs), config.out and expanded(config.out)
    makes = pairs[0].output_path is None and CAPABILITIES[model].trained
    resolved = resolve_checkpoint(config.decoder, logs, model) if makes else None
    checkpoint = resolved and resolved.source
    earlier = expanded(config.against) if is_evaluation(config.against) else None
    other = resolve_checkpoint(config.against, logs, model).source if config.against and earlier is None else None
    options = {str(key): value for key, value in config.model.items() if key != "name"}
    evaluation = Evaluation(
        **as_fields(Evaluation, config, model=model, options=options, metrics=metric_names(config.metrics),
                    losses=listed(config.losses), motion=listed(config.motion), benchmark=config.benchmark.name,
                    encoder=config.encoder.name, encoder_weights=config.encoder.weights)
    )  # fmt: skip

    from adain.evaluation import run
    from adain.evaluation.evaluate import evaluate_pairs, joined
    from adain.evaluation.results import check_against
    from adain.runtime.memory import keep_freed_memory

    evaluation.check([one for one in (checkpoint, other) if one is not None], out)
    if earlier is not None:
        check_against(vars(evaluation), pairs, earlier)
    keep_freed_memory()
    with joined() as ranks:
        if resolved is not None and ranks.rank == 0:
            resolved.announce()
        run.check_readable(pairs, silent=ranks.rank > 0)
        measure = partial(evaluate_pairs, evaluation, ranks=ranks, make_loggers=partial(make_loggers, config))
        first = measure(pairs, checkpoint, out)
        _print(first)
        if other is not None:
            second = measure([pair._replace(output_path=None) for pair in pairs], other, None)
            _print(second)
            earlier = second and second.folder
        if first is not None and earlier is not None:
            _compare(first.folder, earlier, first.folder, config)


def _print(report: Report | None) -> None:
    if report is not None:  # another rank prints
        from adain.evaluation.results import report_text

        print(f"\n{report.title}\n{report_text(report.results)}\n")
        print(f"figures   {report.folder}/results.json, pairs.csv\npictures  {report.page}")


def _compare(first: Path, second: Path, folder: Path | None, config: DictConfig) -> None:
    from adain.evaluation.results import compare_evaluations, comparison_table, write_comparison

    found = compare_evaluations(first, second, config.bootstrap, config.seed)
    if folder is None:
        name = fitting_name([first.name, "_against_", second.name], "", 200)
        folder = expanded(config.out) if config.out else Path(config.logs) / "evaluate" / name
        check_writable(folder)
    write_comparison(folder, found)
    print(f"\n{comparison_table(found)}\n\ncomparison  {folder}/comparison.json, comparison.csv")


def main() -> None:
    """Run the command."""
    run("evaluate", evaluate)


if __name__ == "__main__":
    main()
