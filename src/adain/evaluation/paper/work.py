"""The steps of a comparison: every system measured on the same pairs, what it lacks trained, the report written."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger

from adain.evaluation.log import log_comparison
from adain.evaluation.pairs import Pair
from adain.evaluation.paper.controls import (
    Stylist,
    make_control_pictures,
    measure_alpha,
    measure_color,
    measure_interpolation,
    measure_regions,
    measure_style_weight,
)
from adain.evaluation.paper.normalization import prepare
from adain.evaluation.paper.quality import Judge, make_pictures, measure_losses, measure_pixels
from adain.evaluation.paper.report import Page
from adain.evaluation.paper.request import ABLATIONS, NORMS, VERSIONS, Request, Training, Version
from adain.evaluation.paper.speed import measure_speed, measure_split
from adain.evaluation.speed.machine import describe
from adain.evaluation.store import ComparisonStore, alone
from adain.methods import load
from adain.methods.interface import require
from adain.nn.encoder import Encoder
from adain.nn.weights import read_state
from adain.runtime.files import write_whole
from adain.runtime.schema import GeneratorNorm

Trainer = Callable[[Training, Path], tuple[Path, str]]
"""Trains a network that no checkpoint is given for into its folder, or continues there, or takes what is finished. It
returns the last checkpoint, and in words how the network was trained."""


def settings_of(request: Request, device: torch.device) -> dict[str, Any]:
    """Return what a comparison is of; with other settings its folder cannot be continued."""
    return request.settings | {"machine": describe(device)}


def compare_systems(
    request: Request, device: torch.device, folder: Path, train: Trainer,
    make_loggers: Callable[[Path], Sequence[Logger]],
) -> None:  # fmt: skip
    """Measure what is not there yet, cheap parts first, and write the report after each of them, and when interrupted.

    Raises:
        InputError: If the folder holds something else, or another process works in it.
    """
    with alone(folder):
        store, settings = ComparisonStore(folder), settings_of(request, device)
        store.open(settings)
        work = Work(request, device, store, settings, train)
        print(f"comparison: {folder}")
        try:
            for part, steps in itertools.groupby(work.steps(), key=lambda step: step[0]):
                if part in request.keys["parts"]:
                    for _, step in steps:
                        step()
                    work.report()
        except (KeyboardInterrupt, SystemExit):
            work.report()
            print(f"stopped: what is finished is kept in {folder}, and the same command continues")
            raise
        files = work.report()
        log_comparison(lambda: make_loggers(folder), store, files)


class Work:
    """The comparison's steps, each of which measures what the opened store has not."""

    def __init__(
        self, request: Request, device: torch.device, store: ComparisonStore, settings: dict[str, Any], train: Trainer
    ) -> None:
        self.request, self.keys, self.device = request, request.keys, device
        self.store, self.settings, self.train = store, settings, train
        self.judge = cache(lambda size: Judge(self._encoder, size, device))  # of pictures of one size
        self._systems: dict[str, str] = {}

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield parts and their steps, cheap ones first, so that an interrupted comparison has something to show."""
        for size in sorted(self.keys["sizes"]):
            yield "speed", partial(self.speed, size)
        yield "controls", self.controls
        systems = ("adain", "gatys", "style_swap", "texture_network")
        yield from (("pictures", partial(self.pictures, name)) for name in systems)
        yield from (("losses", partial(self.losses, name)) for name in systems)
        for version in VERSIONS:
            for norm in NORMS:
                yield "normalization", partial(self.normalization, norm, version)
        for name in ABLATIONS:
            yield "ablations", partial(self.ablation, name)
        for weight in self.keys["controls"]["style_weights"]:
            yield "controls", partial(self.style_weight, weight)

    # --- parts --------------------------------------------------------------------------------------------------------

    def speed(self, size: int) -> None:
        """Measure the speed of all systems at one size."""
        if not self.store.has("speed", size=size):
            iterations = (self.keys["speed"]["gatys_done"], self.keys["speed"]["gatys_iterations"])
            rows = measure_speed(size, self.keys["repeats"], iterations, self.keys["memory"], self.device)
            self.store.append("speed", rows)
        if not self.store.has("split", size=size):
            self.store.append("split", measure_split(size, self.keys["repeats"], self.device))

    def losses(self, name: str) -> None:
        """Measure one system's losses for the figure of losses."""
        losses, pairs = self.keys["losses"], self.request.loss_pairs
        judge = self.judge(losses["size"])
        if name == "gatys":
            measure_pixels(judge, pairs, losses["iterations"], losses["measure"], self.store)
            return
        for chosen, method in self._methods(name, pairs):
            measure_losses(judge, name, method, chosen, "losses", self.store)

    def pictures(self, name: str) -> None:
        """Make one system's column of the qualitative figure."""
        judge, pairs = self.judge(self.keys["pictures"]["size"]), self.request.picture_pairs
        numbers = {pair: row for row, pair in reversed(list(enumerate(pairs)))}
        for chosen, method in self._methods(name, pairs):
            make_pictures(judge, "pair", name, method, [(numbers[pair], pair) for pair in chosen], self.store)

    def ablation(self, name: str) -> None:
        """Measure one network's losses and make its pictures."""
        judge, method = self.judge(self.keys["ablations"]["size"]), self._load(name)
        rows = list(enumerate(self.request.ablation_rows))
        make_pictures(judge, "ablation", name, method, rows, self.store)
        measure_losses(judge, name, method, self.request.ablation_pairs, "ablations", self.store)

    def normalization(self, norm: GeneratorNorm, version: Version) -> None:
        """Train one texture network of figure 1, on the pictures of one version."""
        request, keys = self.request, self.keys["normalization"]
        pictures = self.store.folder / "photographs"
        if len(list(pictures.glob("*/*.png"))) < len(VERSIONS) * len(request.photographs):
            other = request.styles[1 % len(request.styles)]  # another style than the one that is learned
            prepare(request.photographs, other, keys["size"], self._load("adain"), pictures, self.device)
        training = request.normalization_training(norm, version, pictures / version)
        self.train(training, self.store.folder / "trained" / training.label)

    def controls(self) -> None:
        """Measure AdaIN's runtime controls and make their pictures."""
        keys, pairs = self.keys["controls"], self.request.control_pairs
        method, alphas = self._load("adain"), keys["alphas"]
        require("adain", "alpha", method.capabilities)  # concatenation has no statistics to control
        stylist = Stylist(self.judge(keys["size"]), method.network)
        make_control_pictures(stylist, alphas, pairs, self.store)
        measure_alpha(stylist, alphas, pairs, self.store)
        measure_interpolation(stylist, alphas, pairs, self.store)
        measure_color(stylist, pairs, self.store)
        measure_regions(stylist, pairs, self.store)

    def style_weight(self, weight: float) -> None:
        """Measure a decoder that is trained with another lambda."""
        training = self.request.style_weight_training(weight)
        checkpoint, words = self.train(training, self.store.folder / "trained" / training.label)
        self._systems[training.label] = f"trained here: {words}"
        method: Any = load.load_method("adain", checkpoint, self.device)
        stylist = Stylist(self.judge(self.keys["controls"]["size"]), method.network)
        measure_style_weight(stylist, weight, self.request.control_pairs, self.store)

    # --- systems ------------------------------------------------------------------------------------------------------

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.load("vgg19_normalized").to(self.device)

    def _methods(self, name: str, pairs: list[Pair]) -> Iterator[tuple[list[Pair], Any]]:
        """Yield a system with the pairs that it serves: all, or those of the one style that a network knows."""
        if name != "texture_network":
            yield pairs, self._load(name)
            return
        for path in dict.fromkeys(pair.style_path for pair in pairs):
            yield [pair for pair in pairs if pair.style_path == path], self._load(name, path)

    def _load(self, name: str, style: Path | None = None) -> Any:
        """Load a system, trained before where no checkpoint is given, and note for the tables what it is."""
        system = "adain" if name in ABLATIONS else name
        options = self.settings[system] if system in ("gatys", "style_swap") else {}
        checkpoint = None if name == "gatys" else self.request.checkpoint(name, style)
        if name == "gatys":
            measure, count = options["measure"], options["iterations"]
            words = f"pictures: {count} iterations of L-BFGS from {options['initial']}, style as {measure}"
        elif checkpoint == "reference":
            words = "published decoder: 160,000 steps of batch 8 at 256 px"
        elif checkpoint is not None:
            words = f"given checkpoint, {read_state(Path(checkpoint)).get('global_step', '?')} steps"
        else:
            training = self.request.training(name, style)
            checkpoint, words = self.train(training, self.store.folder / "trained" / training.label)
            words = f"trained here: {words}" + (", a network for each style" if style else "")
        self._systems[name] = words
        return load.load_method(system, checkpoint, self.device, **options)

    # --- report -------------------------------------------------------------------------------------------------------

    def report(self) -> list[Path]:
        """Write tables, figures and the page of what there is, and return the tables and figures."""
        path = self.store.folder / "systems.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        self._systems = known | self._systems
        write_whole(path, json.dumps(self._systems, indent=2) + "\n")
        return Page(self.store, self.settings, self.request, self._systems).write()
