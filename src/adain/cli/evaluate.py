"""``make evaluate``: figures of a decoder, or of finished outputs, over pairs of contents and styles."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from omegaconf import DictConfig, OmegaConf, open_dict

from adain.cli.app import run
from adain.inference.models import checkpoint_of_model, choose_decoder
from adain.methods.interface import CAPABILITIES, known_method
from adain.runtime.errors import UserError
from adain.runtime.schema import READY_DECODERS, MetricName

if TYPE_CHECKING:
    from adain.evaluation.pairs import Pair
    from adain.evaluation.run import System


def evaluate(config: DictConfig) -> None:
    """Measures, writes the tables and the page, and prints where they are."""
    _check(config)
    if config.compare is not None:
        _compare(Path(config.compare[0]).expanduser(), Path(config.compare[1]).expanduser(), config)
        return
    earlier = _earlier(config.against)
    pairs = _pairs(config)
    made = pairs[0].output_path is None and CAPABILITIES[known_method(config.model.name)].trained
    checkpoint = _checkpoint(config.decoder, config) if made else None
    other = None if config.against is None or earlier else _checkpoint(config.against, config)
    _check_system(config, [checkpoint for checkpoint in (checkpoint, other) if checkpoint is not None])

    from adain.evaluation.run import check_readable
    from adain.runtime.memory import keep_freed_memory

    keep_freed_memory()
    with _ranks() as (rank, world):
        check_readable(pairs, silent=rank > 0)
        first = _evaluate(config, pairs, checkpoint, rank, world)
        if other is not None:
            plain = [pair._replace(output_path=None) for pair in pairs]
            earlier = _evaluate(config, plain, other, rank, world, out=None)
        if earlier is not None and rank == 0:
            _compare(first, earlier, config)


def _check(config: DictConfig) -> None:
    """What can be known before torch is imported."""
    names, wanted = get_args(MetricName), _metrics(config)
    if not wanted or (unknown := [name for name in wanted if name not in names]):
        shown = unknown[0] if wanted else "[]"
        raise UserError(f"metrics={shown} is not allowed: choose all, or a list of {', '.join(names)}")
    if config.compare is not None:
        if not OmegaConf.is_list(config.compare) or len(config.compare) != 2:
            raise UserError(f"compare={config.compare} must be two folders of evaluations: compare=[FOLDER,FOLDER]")
        for folder in config.compare:
            if not (Path(folder).expanduser() / "settings.json").is_file():
                raise UserError(f"compare: {folder} is no folder of an evaluation: give folders below logs/evaluate")
    if _count(config.pairs) == 0:
        raise UserError("pairs=0 is too small: give at least 1, or a file")
    listed = config.pairs is not None and _count(config.pairs) is None
    if listed and not Path(str(config.pairs)).expanduser().is_file():
        raise UserError(f"pairs={config.pairs} is neither a number nor an existing file: give one of them")
    if listed and (config.content is not None or config.style is not None):
        raise UserError("pairs=FILE names contents and styles itself: leave content and style out")
    if (config.content is None) != (config.style is None):
        given, lacking = ("content", "style") if config.style is None else ("style", "content")
        raise UserError(f"{given} is given without {lacking}: give both, or neither for the sample pictures")


def _check_system(config: DictConfig, checkpoints: list[str]) -> None:
    """What needs torch, but no picture: the device, given weights, the checkpoints, and where the results go."""
    from adain.methods.load import check_checkpoint
    from adain.nn.weights import find
    from adain.runtime.device import find_device
    from adain.runtime.files import check_writable

    find_device(config.device)
    for name, file in config.weights.items():
        if file is not None:
            find(str(name), file)
    for checkpoint in checkpoints:
        check_checkpoint(config.model.name, checkpoint)
    if config.out is not None:
        check_writable(Path(config.out).expanduser())


def _metrics(config: DictConfig) -> list[str]:
    """Names of the metrics that are wanted, of a word or a list."""
    if config.metrics == "all":
        return list(get_args(MetricName))
    return [config.metrics] if isinstance(config.metrics, str) else list(config.metrics or [])


def _count(pairs: object) -> int | None:
    """How many pairs are to be drawn, where a number is given and no file."""
    text = str(pairs)
    return int(text) if text.isdecimal() and not Path(text).is_file() else None


def _earlier(against: str | None) -> Path | None:
    """The folder, where an earlier evaluation is meant."""
    folder = Path(against).expanduser() if against else None
    return folder if folder is not None and (folder / "settings.json").is_file() else None


def _pairs(config: DictConfig) -> list[Pair]:
    from adain.evaluation.pairs import cross, held_out_samples, named, read_pairs, sample, with_outputs

    count = _count(config.pairs)
    if config.pairs is not None and count is None:
        pairs = read_pairs(Path(str(config.pairs)).expanduser(), config.pairing)
    else:
        if config.content is None:
            contents, styles = held_out_samples("content"), held_out_samples("style")
        else:
            contents, styles = named(config.content), named(config.style)
        pairs = cross(contents, styles, "zip" if config.pairing == "zip" else "all")
        if count is not None:
            pairs = sample(pairs, count, config.seed)
    if config.outputs is not None:
        return with_outputs(pairs, Path(config.outputs).expanduser())
    if any(pair.output_path for pair in pairs) and not all(pair.output_path for pair in pairs):
        raise UserError(f"pairs={config.pairs} has outputs in some rows only: give one in every row or in none")
    return pairs


def _checkpoint(wanted: str, config: DictConfig) -> str:
    """What ``load_method`` takes for the words that ``make stylize`` knows.

    Raises:
        UserError: If there is no such file.
    """
    logs = Path(config.logs)
    if config.model.name != "adain":
        return str(checkpoint_of_model(config.model.name, wanted, logs))
    chosen = choose_decoder(wanted, logs)
    if chosen in READY_DECODERS:
        return chosen
    path = Path(chosen).expanduser()
    if path.is_file():
        return str(path)
    from adain.nn.decoder import checkpoint_of

    if not path.is_dir():
        raise UserError(
            f"there is no checkpoint at {wanted}: give a file, a run's folder, latest, best, shipped or reference"
        )
    return str(checkpoint_of(path))


@contextlib.contextmanager
def _ranks() -> Iterator[tuple[int, int]]:
    """This process and how many there are: ``torchrun`` says so in the environment."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        yield 0, 1
        return
    import torch.distributed as dist

    dist.init_process_group("gloo")
    try:
        yield rank, world
    finally:
        dist.destroy_process_group()


def _evaluate(
    config: DictConfig, pairs: list[Pair], checkpoint: str | None, rank: int, world: int, out: str | None = "config"
) -> Path:
    """One evaluation in its folder."""
    import torch

    from adain.evaluation.page import write_page
    from adain.evaluation.results import means, summarize, table, write_results
    from adain.evaluation.run import Frame, Gallery, measure, set_figures
    from adain.evaluation.store import EvaluationStore, alone, digest
    from adain.metrics.frechet import worth
    from adain.metrics.metric_suite import build_panel, features_of
    from adain.nn.encoder import Encoder
    from adain.runtime.device import find_device
    from adain.runtime.fetch import sha256_of

    device = find_device(config.device)
    if device.type == "cuda" and device.index is None and world > 1:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    encoder = Encoder.load(config.encoder.name, config.encoder.weights).to(device)
    names = _metrics(config)
    panel = build_panel(names, encoder, dict(config.weights), device)
    if not panel.pair and not panel.sets:
        raise UserError(f"none of the metrics can be measured: {'; '.join(panel.left_out.values())}")
    finished = [pair.output_path for pair in pairs if pair.output_path]
    of = _name(config, checkpoint, finished)
    settings: dict[str, Any] = {
        "of": of,
        "sha256": sha256_of(Path(checkpoint))[:16] if checkpoint and checkpoint not in READY_DECODERS else None,
        "size": config.size, "crop": config.crop, "encoder": config.encoder.name,
        "outputs": digest([(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in finished]),
        "alpha": None if finished else config.alpha,
        "options": {str(key): value for key, value in config.model.items() if key != "name"},
        "metrics": [*panel.pair, *panel.sets],
    }  # fmt: skip
    identity = digest([settings, [(str(p.content_path.resolve()), str(p.style_path.resolve())) for p in pairs]])
    wanted = config.out if out == "config" else None
    label = re.sub(r"[^\w.-]+", "_", of)[-60:].strip("_.")
    folder = (
        Path(wanted).expanduser() if wanted else Path(config.logs) / "evaluate" / f"{label}_{config.size}_{identity}"
    )
    store = EvaluationStore(folder, rank)
    with alone(folder) if rank == 0 else contextlib.nullcontext():
        if rank == 0:
            store.open_pairs(settings, pairs)
        _wait(world)
        if rank == 0 and (done := len(store.rows())):
            print(f"{done} of {len(pairs)} pairs are there already")
        gallery = Gallery(encoder, Frame(config.size, config.crop), device)
        system = None if finished else _maker(config, checkpoint, device)
        try:
            measure(pairs, store, panel, gallery, system, config.alpha, config.batch_size, world, config.save_outputs)
        except KeyboardInterrupt:
            if rank == 0:
                print(f"\n{len(store.rows())} of {len(pairs)} pairs are kept in {folder}: the same command goes on")
            raise
        _wait(world)
        if rank > 0:
            return folder
        rows = list(store.rows().values())
        sets = set_figures(pairs, store, panel, gallery, means(rows), "artfid" in names)
        results = summarize(rows, sets, config.bootstrap, config.seed)
        results["left_out"] = panel.left_out | {
            name: "needs two outputs and two styles" for name in panel.sets if name not in sets
        }
        styles = len({pair.style_path for pair in pairs})
        sizes = {name: min(len(rows), styles) for name in panel.sets if name in sets}
        worths = {name: worth(count, features_of(name, encoder)) for name, count in sizes.items()}
        results["notes"] = [f"{name}: {text}" for name, text in worths.items() if text]
        results = {"of": of, "pairs": len(rows), **settings, **results}
        write_results(folder, rows, results)
        title = f"{of} at {config.size} px, {len(rows)} pairs"
        page = write_page(folder, title, pairs, rows, results, gallery.frame, config.page_order, config.page_pairs)
        _log(config, folder, rows, results)
    print(f"\n{title}\n{table(results)}")
    for note in results["notes"]:
        print(note)
    print(f"interval: {results['interval']}\n\nfigures   {folder}/results.json, pairs.csv\npictures  {page}")
    return folder


def _name(config: DictConfig, checkpoint: str | None, finished: list[Path]) -> str:
    """What is evaluated, for people."""
    if finished:
        return f"outputs {config.outputs or finished[0].parent}"
    if checkpoint is None:
        return str(config.model.name)
    path = Path(checkpoint)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{config.model.name} {path}"


def _maker(config: DictConfig, checkpoint: str | None, device: Any) -> Callable[[], System]:
    """Loads the system when the first output is needed."""

    def load() -> System:
        from adain.methods.load import load_method

        system: System = load_method(checkpoint=checkpoint, device=device, **config.model)
        return system

    return load


def _wait(world: int) -> None:
    if world > 1:
        import torch.distributed as dist

        dist.barrier()


def _compare(first: Path, second: Path, config: DictConfig) -> None:
    from adain.evaluation.results import compare_evaluations, comparison_table, write_csv
    from adain.runtime.files import write_whole

    found = compare_evaluations(first, second, config.bootstrap, config.seed)
    if config.compare is not None:
        folder = Path(config.out or Path(config.logs) / "evaluate" / f"{first.name}_against_{second.name}"[:200])
    else:
        folder = first
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "comparison.json", json.dumps(found, indent=2) + "\n")
    write_csv(folder / "comparison.csv", [{"metric": name, **entry} for name, entry in found["metrics"].items()])
    print(f"\n{comparison_table(found)}")
    if any(found["left_unpaired"]):
        print("{} pairs of the first and {} of the second have no counterpart".format(*found["left_unpaired"]))
    print(
        f"interval: {found['interval']}\ntest: {found['test']}\n\ncomparison  {folder}/comparison.json, comparison.csv"
    )


def _log(config: DictConfig, folder: Path, rows: list[dict[str, Any]], results: dict[str, Any]) -> None:
    """Means to every logger; to W&B the table of pairs with their outputs too."""
    if not config.logger:
        return
    from hydra.utils import instantiate
    from pytorch_lightning.loggers import WandbLogger

    from adain.training.run_summary import close_wandb
    from adain.training.wandb_run import left_out_if_refused

    with open_dict(config):
        for logger in config.logger.values():
            logger["folder" if "folder" in logger else "save_dir"] = str(folder)
    code = 1
    try:
        for logger in instantiate(config.logger).values():
            logger.log_hyperparams({key: value for key, value in results.items() if key not in ("metrics", "left_out")})
            logger.log_metrics({f"evaluate/{name}": found["mean"] for name, found in results["metrics"].items()})
            if isinstance(logger, WandbLogger):
                import wandb

                table = wandb.Table(columns=["output", *rows[0]])
                for row in rows:
                    thumb = str(folder / "thumbs" / f"{row['index']:07d}.jpg")
                    table.add_data(wandb.Image(thumb), *row.values())
                with left_out_if_refused("the table of pairs"):
                    logger.experiment.log({"pairs": table})
            logger.finalize("success")
        code = 0
    finally:
        close_wandb(code)


def main() -> None:
    """The command."""
    files = ("content", "style", "pairs", "decoder", "outputs", "against", "out", "encoder.weights")
    weights = ("weights.lpips_alexnet", "weights.lpips_vgg16", "weights.inception_fid")
    run("evaluate", evaluate, paths=(*files, *weights))


if __name__ == "__main__":
    main()
