"""One evaluation from start to end: measure what is missing, then write tables, page and logs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from pytorch_lightning.loggers import Logger

from adain.evaluation.benchmark import published_rows
from adain.evaluation.log import log_evaluation
from adain.evaluation.page import write_page
from adain.evaluation.pairs import Pair, shared_stem
from adain.evaluation.request import Evaluation
from adain.evaluation.results import control_means, means, summarize, won_by_controls, write_results
from adain.evaluation.run import Frame, Gallery, measure, set_figures
from adain.evaluation.store import EvaluationStore, alone, digest, folder_for, picture_digests
from adain.methods.load import load_method
from adain.metrics.frechet import artfid, worth
from adain.metrics.metric_suite import MetricSuite, add_losses, build_suite, conventions, features_of
from adain.nn.encoder import Encoder
from adain.runtime.device import find_device
from adain.runtime.errors import InputError
from adain.runtime.fetch import sha256_of
from adain.runtime.files import expanded
from adain.runtime.precision import fastest_precision
from adain.runtime.schema import READY_DECODERS, Concrete


class Ranks(NamedTuple):
    """This process, and how many share the work."""

    rank: int
    world: int

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()


class Report(NamedTuple):
    """What an evaluation leaves.

    Attributes:
        folder: Of it.
        title: For people.
        results: What ``results.json`` holds.
        page: The page of pictures.
    """

    folder: Path
    title: str
    results: Mapping[str, Any]
    page: Path


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started, as it says in the environment; without it there is one."""
    ranks = Ranks(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))
    if ranks.world == 1:
        yield Ranks(0, 1)
        return
    dist.init_process_group("gloo")
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def evaluate_pairs(
    evaluation: Evaluation, pairs: list[Pair], checkpoint: str | None, out: Path | None, ranks: Ranks,
    make_loggers: Callable[[Path], Sequence[Logger]],
) -> Report | None:  # fmt: skip
    """Measure the pairs that the folder does not hold yet, and write tables and page of all.

    Args:
        evaluation: How.
        pairs: With outputs, or all without.
        checkpoint: Of the system that makes the outputs; None for finished outputs and systems that are not trained.
        out: The folder; None: one that stands for the settings.
        ranks: This process.
        make_loggers: Makes the loggers of a folder.

    Returns:
        The report on rank 0, None on others.

    Raises:
        InputError: If nothing can be measured, or the folder holds something else.
    """
    if evaluation.save_outputs and (twice := shared_stem(pairs)) is not None:
        raise InputError(
            f"save_outputs=true: two pairs share the output name {twice}.png: rename one of their pictures"
        )
    device = _device(evaluation, ranks)
    encoder = Encoder.load(evaluation.encoder, evaluation.encoder_weights).to(device)
    precision = fastest_precision(device) if evaluation.precision == "auto" else evaluation.precision
    suite = build_suite(evaluation.metrics, encoder, evaluation.weights, device, evaluation.protocol, precision)
    if evaluation.encoder == "vgg19_normalized":
        add_losses(suite, evaluation.losses, evaluation.encoder_weights, device)
    else:
        other = "they are of the normalized VGG-19: give encoder=vgg19_normalized"
        suite.left_out |= {f"losses of {name}": other for name in evaluation.losses if name != "ours"}
    motion = [] if pairs[0].output_path else evaluation.motion
    suite.left_out |= {
        f"motion {name}": "only a system can stylize a moving view" for name in evaluation.motion if not motion
    }
    if not suite.pair and not suite.sets:
        raise InputError(f"none of the metrics can be measured: {'; '.join(suite.left_out.values())}")
    settings = _settings(evaluation, suite, pairs, checkpoint, precision)
    digests = picture_digests(pairs)
    folder = out or _folder(evaluation, settings, pairs, digests)
    store = EvaluationStore(folder, ranks.rank)
    with alone(folder) if ranks.rank == 0 else contextlib.nullcontext():
        if ranks.rank == 0:
            store.open_pairs({**settings, "digests": digests}, pairs)
        ranks.wait()
        if ranks.rank == 0 and (done := len(store.rows())):
            print(f"{done} of {len(pairs)} pairs are there already")
        gallery = Gallery(Frame(evaluation.size, evaluation.crop), device)

        def load_system() -> Any:
            return load_method(evaluation.model, checkpoint, device, **evaluation.options)

        try:
            measure(
                pairs, store, suite, gallery, None if pairs[0].output_path else load_system, evaluation.alpha,
                evaluation.batch_size, ranks.world, evaluation.save_outputs, evaluation.protocol, precision,
                motion,
            )  # fmt: skip
        except KeyboardInterrupt:
            if ranks.rank == 0:
                print(f"\n{len(store.rows())} of {len(pairs)} pairs are kept in {folder}: the same command continues")
            raise
        ranks.wait()
        if ranks.rank > 0:
            return None
        report = _report(evaluation, settings, store, pairs, suite, gallery)
        rows = list(store.rows().values())
        log_evaluation(lambda: make_loggers(folder), folder, rows, report.results)
    return report


def _device(evaluation: Evaluation, ranks: Ranks) -> torch.device:
    device = find_device(evaluation.device)
    if device.type == "cuda" and device.index is None and ranks.world > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return device


def _settings(
    evaluation: Evaluation, suite: MetricSuite, pairs: Sequence[Pair], checkpoint: str | None, precision: Concrete
) -> dict[str, Any]:
    """Return all that figures depend on, but for the pairs and their pictures."""
    finished = [pair.output_path for pair in pairs if pair.output_path]
    return {
        "of": _name(evaluation, checkpoint, finished),
        "sha256": sha256_of(Path(checkpoint))[:16] if checkpoint and checkpoint not in READY_DECODERS else None,
        "size": evaluation.size, "crop": evaluation.crop, "encoder": evaluation.encoder,
        "outputs": digest([(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in finished]),
        "alpha": None if finished else evaluation.alpha,
        "options": dict(evaluation.options),
        "metrics": [*suite.pair, *suite.sets],
        "motion": list(evaluation.motion),
        "protocol": evaluation.protocol,
        "precision": precision,
        "weights": {name: sha256_of(expanded(file))[:16] for name, file in evaluation.weights.items() if file},
    }  # fmt: skip


def _name(evaluation: Evaluation, checkpoint: str | None, finished: Sequence[Path]) -> str:
    """Return what is evaluated, for people."""
    if finished:
        return f"outputs {evaluation.outputs or finished[0].parent}"
    if checkpoint is None:
        return evaluation.model
    path = Path(checkpoint)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{evaluation.model} {path}"


def _folder(
    evaluation: Evaluation, settings: Mapping[str, Any], pairs: Sequence[Pair], digests: Mapping[str, str]
) -> Path:
    """Return the folder that stands for the settings and the pairs."""
    identity = [settings, [(str(p.content_path.resolve()), str(p.style_path.resolve())) for p in pairs]]
    label = re.sub(r"[^\w.-]+", "_", settings["of"])[-60:].strip("_.")
    return folder_for(Path(evaluation.logs) / "evaluate", f"{label}_{evaluation.size}_", identity, digests)


def _report(
    evaluation: Evaluation, settings: Mapping[str, Any], store: EvaluationStore, pairs: list[Pair], suite: MetricSuite,
    gallery: Gallery,
) -> Report:  # fmt: skip
    """Write tables and page of what the store holds."""
    rows = list(store.rows().values())
    of_sets = set_figures(pairs, store, suite, gallery, evaluation.protocol)
    of_pairs = {"output": means(rows), **control_means(rows)}
    for of, sets in of_sets.items():
        if "artfid" in evaluation.metrics and "fid" in sets and "lpips" in of_pairs[of]:
            sets["artfid"] = artfid(of_pairs[of]["lpips"], sets["fid"])
    sets = of_sets["output"]
    styles = len({pair.style_path for pair in pairs})
    worths = {name: worth(min(len(rows), styles), features_of(name, suite.features.encoder)) for name in suite.sets}
    figures = summarize(rows, sets, evaluation.bootstrap, evaluation.seed)
    for name, entry in figures["metrics"].items():
        entry["controls"] = {of: {**of_pairs[of], **of_sets[of]}[name] for of in ("content", "style")}
    said = conventions(evaluation.protocol)
    benchmark = evaluation.benchmark
    results = {
        "of": settings["of"],
        "pairs": len(rows),
        **settings,
        **figures,
        "conventions": {name: text for name, text in said.items() if name in figures["metrics"]},
        "warnings": won_by_controls(figures["metrics"]),
        "published": published_rows(benchmark, settings, len(rows), figures["metrics"]) if benchmark else [],
        "left_out": suite.left_out
        | {name: "needs two outputs and two styles" for name in suite.sets if name not in sets},
        "notes": [f"{name}: {text}" for name, text in worths.items() if text and name in sets],
    }
    write_results(store.folder, rows, results)
    title = f"{settings['of']} at {evaluation.size} px, {len(rows)} pairs"
    page = write_page(
        store.folder, title, pairs, rows, results, gallery.frame, evaluation.page_order, evaluation.page_pairs
    )
    return Report(store.folder, title, results, page)
