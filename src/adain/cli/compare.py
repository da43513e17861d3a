"""``make compare``: the paper's table and figures over all four systems, in one run on one machine."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from adain.cli.app import run
from adain.evaluation.paper.request import Request, check, read_request
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command
from adain.runtime.quoting import quote

if TYPE_CHECKING:
    import torch

    from adain.evaluation.pairs import Pair
    from adain.evaluation.paper.quality import Judge
    from adain.evaluation.paper.store import ComparisonStore
    from adain.nn.encoder import Encoder

ABLATIONS = ("baseline", "concat", "bn_decoder", "in_decoder")
COLUMNS = ("adain", "texture_network", "style_swap", "gatys")


def compare(config: DictConfig) -> None:
    """Measures what is not there yet, cheap parts first, and writes the report after each of them."""
    check(config)
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError(f"the figures are drawn with matplotlib, which is not installed: {install_command('compare')}")
    from adain.cli.quiet import quieten
    from adain.evaluation.paper.store import ComparisonStore
    from adain.evaluation.run import check_readable
    from adain.evaluation.store import alone
    from adain.runtime.device import find_device
    from adain.runtime.files import check_writable
    from adain.runtime.memory import keep_freed_memory

    device = find_device(config.device)
    if config.out is not None:
        check_writable(Path(str(config.out)).expanduser())
    request = read_request(config)
    work = Work(config, request, device)
    folder = request.folder(work.settings)
    quieten()
    work.check_trainings(folder)
    check_readable(request.pairs)
    with alone(folder):
        work.store = ComparisonStore(folder)
        work.store.open(work.settings)
        keep_freed_memory()
        print(f"comparison: {folder}")
        try:
            for part, step in work.steps():
                if part in config.parts:
                    step()
                    work.report()
        except (KeyboardInterrupt, SystemExit):
            print(f"stopped: what is finished is kept in {folder}, and the same command goes on")
            raise
        work.report(log=True)
    print(f"\nreport    {folder}/compare.md\ntables    {folder}/*.csv\nfigures   {folder}/*.png")


class Work:
    """The comparison's steps.

    Attributes:
        settings: What the comparison is of; with others its folder cannot be gone on with.
        store: Set before the first step.
    """

    store: ComparisonStore

    def __init__(self, config: DictConfig, request: Request, device: torch.device) -> None:
        from adain.evaluation.speed.machine import describe

        self.config, self.request, self.device = config, request, device
        self.settings = request.settings | {"machine": describe(device)}
        self._encoder: Encoder | None = None
        self._judges: dict[int, Judge] = {}
        self.systems: dict[str, str] = {}

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Parts and their steps, cheap ones first, so that an interrupted comparison has something to show."""
        for size in sorted(self.config.sizes):
            yield "speed", partial(self.speed, size)
        for name in ("adain", "gatys", "style_swap", "texture_network"):
            yield "pictures", partial(self.pictures, name)
            yield "losses", partial(self.losses, name)
        for name in ABLATIONS:
            yield "ablations", partial(self.ablation, name)

    # --- parts --------------------------------------------------------------------------------------------------------

    def speed(self, size: int) -> None:
        """The rows of one size."""
        from adain.evaluation.paper.speed import measure_speed

        if self.store.has("speed", size=size):
            return
        config = self.config
        iterations = (config.speed.gatys_done, config.speed.gatys_iterations)
        self.store.append("speed", measure_speed(size, config.repeats, iterations, config.memory, self.device))

    def losses(self, name: str) -> None:
        """One system's rows of the figure of losses."""
        from adain.evaluation.paper.quality import measure_losses, measure_pixels

        pairs, judge = self.request.loss_pairs, self.judge(self.config.losses.size)
        if name == "gatys":
            measure_pixels(judge, pairs, list(self.config.losses.iterations), self.config.losses.measure, self.store)
            return
        for chosen, method in self._methods(name, pairs):
            measure_losses(judge, name, method, chosen, "losses", self.store)

    def pictures(self, name: str) -> None:
        """One system's column of the qualitative figure."""
        from adain.evaluation.paper.quality import make_pictures

        judge, pairs = self.judge(self.config.pictures.size), self.request.picture_pairs
        numbers = {pair: row for row, pair in reversed(list(enumerate(pairs)))}
        for chosen, method in self._methods(name, pairs):
            make_pictures(judge, "pair", name, method, [(numbers[pair], pair) for pair in chosen], self.store)

    def ablation(self, name: str) -> None:
        """One network's losses and pictures."""
        from adain.evaluation.paper.quality import make_pictures, measure_losses

        judge, method = self.judge(self.config.ablations.size), self._load(name)
        rows = list(enumerate(self.request.ablation_rows))
        make_pictures(judge, "ablation", name, method, rows, self.store)
        measure_losses(judge, name, method, self.request.ablation_pairs, "ablations", self.store)

    # --- systems ------------------------------------------------------------------------------------------------------

    def judge(self, size: int) -> Judge:
        """For pictures of one size."""
        from adain.evaluation.paper.quality import Judge
        from adain.nn.encoder import Encoder

        if self._encoder is None:
            self._encoder = Encoder.load("vgg19_normalized").to(self.device)
        if size not in self._judges:
            self._judges[size] = Judge(self._encoder, size, self.device)
        return self._judges[size]

    def _methods(self, name: str, pairs: list[Pair]) -> Iterator[tuple[list[Pair], Any]]:
        """A system with the pairs that it serves: all of them, or those of the one style that it knows."""
        if name != "texture_network":
            yield pairs, self._load(name)
            return
        for path in dict.fromkeys(pair.style_path for pair in pairs):
            yield [pair for pair in pairs if pair.style_path == path], self._load(name, path)

    def _load(self, name: str, style: Path | None = None) -> Any:
        from adain.methods.load import load_method

        system = "adain" if name in ABLATIONS else name
        section = self.config.get(system, {}) if system in ("gatys", "style_swap") else {}
        options = {key: value for key, value in section.items() if key != "name"}
        if name == "gatys":
            measure, count = options["measure"], options["iterations"]
            self._note(name, f"pictures: {count} iterations of L-BFGS from {options['initial']}, style as {measure}")
            return load_method(name, None, self.device, **options)
        checkpoint = self.request.checkpoint(name, style)
        if checkpoint == "reference":
            self._note(name, "published decoder: 160,000 steps of batch 8 at 256 px")
        elif checkpoint is not None:
            from adain.nn.weights import read_state

            steps = read_state(Path(checkpoint)).get("global_step", "?")
            self._note(name, f"given checkpoint, {steps} steps")
        else:
            checkpoint = self._train(name, style)
        return load_method(system, checkpoint, self.device, **options)

    def check_trainings(self, folder: Path) -> None:
        """Composes what would be trained, before the first part.

        Raises:
            UserError: If it cannot be.
        """
        from adain.cli.compare_training import check_training

        parts, request = set(self.config.parts), self.request
        wanted: list[tuple[str, Path | None]] = []
        if parts & {"losses", "pictures"}:
            wanted = [("style_swap", None), *(("texture_network", style) for style in request.styles_of_networks[:1])]
        if "ablations" in parts:
            wanted += [(name, None) for name in ABLATIONS]
        for name, style in wanted:
            if request.checkpoint(name, style) is None:
                check_training(name, self._recipe(name, style, folder / "trained"), list(self.config.training))

    def _train(self, name: str, style: Path | None) -> Path:
        from adain.cli.compare_training import train_here

        one = self.store.folder / "trained"
        label = name if style is None else f"texture_network_{self.request.styles_of_networks.index(style)}"
        path, words = train_here(one / label, label, [*self._recipe(name, style, one), *self.config.training])
        self._note(name, f"trained here: {words}" + (", a network for each style" if style else ""))
        return path

    def _recipe(self, name: str, style: Path | None, one: Path) -> list[str]:
        """A training's overrides, without those that the user gives."""
        config = self.config
        experiment = {"baseline": "quickstart"}.get(name, name)
        steps = config.steps["ablations" if name in ABLATIONS else name]
        overrides = [
            f"experiment={experiment}",
            f"logs={quote(str(one))}",
            f"seed={config.seed}",
            f"trainer={'gpu' if self.device.type == 'cuda' else 'cpu'}",
            f"trainer.max_steps={steps}",
            f"trainer.val_check_interval={steps}",
            "trainer.log_every_n_steps=1",
            "data.val_size=96",
            "compare_with=null",
        ]
        if style is None:
            return [
                *overrides,
                f"model.start_pictures={config.start_pictures}",
                f"model.start_patches={config.start_patches}",
            ]
        measure, size = config.losses.measure, config.losses.size
        return [
            *overrides,
            f"model.style={quote(str(style))}",
            f"model.measure={measure}",
            f"model.style_size={size}",
        ]

    def _note(self, name: str, words: str) -> None:
        """What a system is, for the tables."""
        self.systems[name] = words

    # --- report -------------------------------------------------------------------------------------------------------

    def report(self, log: bool = False) -> None:
        """Writes tables, figures and the page of what there is; at the end to the loggers too."""
        from adain.evaluation.paper.published import NAMES
        from adain.evaluation.paper.report import write_report
        from adain.runtime.files import write_whole
        from adain.training.curves import training_curves

        path = self.store.folder / "systems.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        self.systems = known | self.systems
        write_whole(path, json.dumps(self.systems, indent=2) + "\n")
        curves = [training_curves(self.store.folder / "trained" / name, NAMES[name]) for name in ABLATIONS]
        files = write_report(self.store, self.settings, self.systems, self._grids(), curves)
        if log and self.config.logger:
            from adain.evaluation.paper.log import log_comparison

            log_comparison(self.config, self.store, files)

    def _grids(self) -> list[Any]:
        from adain.evaluation.paper.report import Grid

        config, request = self.config, self.request
        return [
            Grid("pictures", "pair", COLUMNS, request.picture_pairs, self.judge(config.pictures.size)),
            Grid("ablations", "ablation", ABLATIONS, request.ablation_rows, self.judge(config.ablations.size)),
        ]


def main() -> None:
    """The command."""
    files = (
        "content",
        "style",
        "out",
        "logs",
        *(f"checkpoints.{name}" for name in ("adain", "style_swap", *ABLATIONS)),
    )
    run("compare", compare, paths=(*files, "checkpoints.texture_network", "training"))


if __name__ == "__main__":
    main()
