"""What the systems are compared on: pictures and checkpoints found and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from adain.runtime.errors import InputError
from adain.runtime.files import expanded
from adain.runtime.quoting import quote
from adain.runtime.run_folder import checkpoint_of
from adain.runtime.schema import GeneratorNorm

if TYPE_CHECKING:
    from adain.evaluation.pairs import Pair

ABLATIONS = ("baseline", "concat", "bn_decoder", "in_decoder")
Version = Literal["original", "contrast", "style"]
"""Of the training pictures of figure 1: as they are, contrast-normalized, style-normalized."""
VERSIONS: tuple[Version, ...] = ("original", "contrast", "style")
NORMS: tuple[GeneratorNorm, ...] = ("instance", "batch")
_NO_SETTINGS = ("parts", "device", "out", "logs", "run", "logger", "content", "style", "checkpoints")


class Training(NamedTuple):
    """A network that is trained for the comparison.

    Attributes:
        kind: A key of ``steps`` and ``recipes``.
        label: Its folder, and its bar's name.
        experiment: The recipe of ``make train``.
        overrides: What makes it this network: overrides of ``make train``.
    """

    kind: str
    label: str
    experiment: str
    overrides: tuple[str, ...] = ()


def checkpoint_file(name: str, given: str) -> Path:
    """Return the file that is meant by a file or a run's folder.

    Raises:
        InputError: If there is none.
    """
    if (path := checkpoint_of(expanded(given))) is not None:
        return path.resolve()
    raise InputError(
        f"checkpoints.{name}={given} is neither a file nor a run's folder with a checkpoint: check the path, or give null, "
        "and one is trained here"
    )


@dataclass
class Request:
    """What is compared on what.

    Attributes:
        keys: Those of ``conf/inference/compare.yaml``, resolved.
        loss_pairs: Pairs of the figure of losses.
        picture_pairs: Rows of the qualitative figure; all their styles have a texture network.
        ablation_pairs: Pairs of the table of ablations.
        ablation_rows: Rows of its figure.
        control_pairs: Pairs of the figures of runtime controls.
        photographs: Training pictures of figure 1.
        styles: All styles there are.
        settings: All that results depend on, but for the machine.
    """

    keys: Mapping[str, Any]
    loss_pairs: list[Pair]
    picture_pairs: list[Pair]
    ablation_pairs: list[Pair]
    ablation_rows: list[Pair]
    control_pairs: list[Pair]
    photographs: list[Path]
    styles: list[Path]
    settings: dict[str, Any] = field(default_factory=dict)
    _networks: dict[Path, Path] = field(default_factory=dict)

    @property
    def pairs(self) -> list[Pair]:
        """All pairs, as often as they are used."""
        return [
            *self.loss_pairs, *self.picture_pairs, *self.ablation_pairs, *self.ablation_rows, *self.control_pairs
        ]  # fmt: skip

    @property
    def styles_of_networks(self) -> list[Path]:
        """Files of the styles that texture networks are needed for."""
        return list(dict.fromkeys(pair.style_path for pair in (*self.loss_pairs, *self.picture_pairs)))

    @property
    def missing(self) -> list[Training]:
        """Return what must be trained here; one network stands for those that differ in a value alone."""
        parts = set(self.keys["parts"])
        needed: list[Training] = []
        if parts & {"losses", "pictures"}:
            if self.checkpoint("style_swap") is None:
                needed.append(self.training("style_swap"))
            if self.checkpoint("texture_network", style := self.styles_of_networks[0]) is None:
                needed.append(self.training("texture_network", style))
        if "normalization" in parts:
            needed.append(self.normalization_training(NORMS[0], VERSIONS[0]))
        if "ablations" in parts:
            needed += [self.training(name) for name in ABLATIONS if self.checkpoint(name) is None]
        if "controls" in parts:
            needed += [self.style_weight_training(weight) for weight in self.keys["controls"]["style_weights"][:1]]
        return needed

    def training(self, name: str, style: Path | None = None) -> Training:
        """Return how a system or an ablation is trained.

        Args:
            name: Of the system or ablation.
            style: The texture network's.
        """
        if style is None:
            kind = "ablations" if name in ABLATIONS else name
            return Training(kind, name, "quickstart" if name == "baseline" else name, self._start())
        losses = self.keys["losses"]
        given = (
            f"model.style={quote(str(style))}",
            f"model.measure={losses['measure']}",
            f"model.style_size={losses['size']}",
        )
        return Training(name, f"{name}_{self.styles_of_networks.index(style)}", name, given)

    def normalization_training(self, norm: GeneratorNorm, version: Version, pictures: Path | None = None) -> Training:
        """Return how a texture network of figure 1 is trained.

        Args:
            norm: In the generator.
            version: Of the training pictures.
            pictures: Their folder; None where they are not made yet.
        """
        style, size = self.styles[0], self.keys["normalization"]["size"]
        given: tuple[str, ...] = (
            f"model.style={quote(str(style))}", f"model.norm={norm}", "model.color_start=false", f"model.style_size={size}",
            f"data.resize={size}", f"data.crop={size}", f"data.val_size={size}", "data.val_pairs=1",
        )  # fmt: skip
        if pictures is not None:
            given += ("data=folders", f"data.content={quote(str(pictures))}", f"data.style={quote(str(style))}")
        return Training("normalization", f"{norm}_{version}", "texture_network", given)

    def style_weight_training(self, weight: float) -> Training:
        """Return how the decoder of one lambda is trained."""
        given = (*self._start(), f"model.style_weight={weight}")
        return Training("controls", f"style_weight_{weight:g}", "quickstart", given)

    def _start(self) -> tuple[str, ...]:
        keys = self.keys
        return f"model.start_pictures={keys['start_pictures']}", f"model.start_patches={keys['start_patches']}"

    def checkpoint(self, name: str, style: Path | None = None) -> str | Path | None:
        """Return the file given for a system, ``reference``, or None where one is to be trained."""
        if name == "texture_network":
            return self._networks.get(style) if style is not None else None
        given = self.keys["checkpoints"][name]
        return given if given in (None, "reference") else checkpoint_file(name, str(given))

    def folder(self, settings: Mapping[str, Any]) -> Path:
        """Return the folder as given, or one that stands for the settings."""
        from adain.evaluation.store import folder_for

        if self.keys["out"] is not None:
            return expanded(str(self.keys["out"]))
        others = {key: value for key, value in settings.items() if key != "digests"}
        return folder_for(Path(self.keys["logs"]) / "compare", "", others, settings["digests"])


def read_request(keys: Mapping[str, Any]) -> Request:
    """Find pictures, and find and check checkpoints; no picture is decoded.

    Args:
        keys: Those of ``conf/inference/compare.yaml``, resolved.

    Raises:
        InputError: If there are too few pictures, or a checkpoint cannot be read or is of another system or style.
    """
    from adain.data.sample import sample_source
    from adain.evaluation.pairs import cross, find_both_sides
    from adain.evaluation.store import digest, picture_digests

    losses, pictures, ablations, controls = (keys[name] for name in ("losses", "pictures", "ablations", "controls"))
    contents, styles = find_both_sides(keys["content"], keys["style"])
    where = "held-out sample pictures" if keys["content"] is None else "pictures in the folder"
    for section, parts in (
        ("losses", {"losses", "pictures"}),
        ("ablations", {"ablations"}),
        ("controls", {"controls"}),
    ):
        for key, found in (("contents", contents), ("styles", styles)):
            if parts & set(keys["parts"]) and keys[section][key] > len(found):
                raise InputError(
                    f"{section}.{key}={keys[section][key]} is too many: there are {len(found)} {where}; give fewer, or "
                    "folders with more as content=FOLDER style=FOLDER"
                )
    # held out or not: figure 1 measures nothing on pictures that it does not train on
    photographs = (
        contents if keys["content"] is not None else [(name, Path(name)) for name in sample_source("content").names]
    )

    def rows(count: int, styles: Sequence[tuple[str, Path]]) -> list[Pair]:
        """Return the i-th content in the i-th style, beginning anew where one kind is used up."""
        first, second = ([side[i % len(side)] for i in range(count)] for side in (contents, styles))
        return cross(first, second, "zip")

    request = Request(
        keys,
        cross(contents[: losses["contents"]], styles[: losses["styles"]], "all"),
        rows(pictures["rows"], styles[: losses["styles"]]),
        cross(contents[: ablations["contents"]], styles[: ablations["styles"]], "all"),
        rows(ablations["rows"], styles),
        cross(contents[: controls["contents"]], styles[: controls["styles"]], "all"),
        [path for _, path in photographs[: keys["normalization"]["contents"]]],
        [path for _, path in styles],
    )
    _match_systems(keys["checkpoints"])
    _match_networks(request)
    request.settings = {key: value for key, value in keys.items() if key not in _NO_SETTINGS}
    for section in ("gatys", "style_swap"):  # their names are always the sections' own; version 0.1 kept none
        request.settings[section] = {key: value for key, value in keys[section].items() if key != "name"}
    request.settings["pictures_of"] = [
        [str(p.content_path.resolve()), str(p.style_path.resolve())] for p in dict.fromkeys(request.pairs)
    ]
    request.settings["photographs"] = digest([str(path.resolve()) for path in request.photographs])
    shown = cross(photographs[: len(request.photographs)], styles[:1], "all")
    request.settings["digests"] = picture_digests([*request.pairs, *shown])
    request.settings["checkpoints"] = {name: _identity(name, given) for name, given in keys["checkpoints"].items()}
    return request


def _identity(name: str, given: Any) -> Any:
    """Return a checkpoint as its path and digest: another file at the same place is another comparison."""
    from adain.runtime.fetch import sha256_of

    if given in (None, "reference"):
        return given
    if isinstance(given, list):
        return [_identity(name, one) for one in given]
    path = checkpoint_file(name, str(given))
    return [str(path), sha256_of(path)[:16]]


def _match_systems(checkpoints: Mapping[str, Any]) -> None:
    """Check that every checkpoint is of the system it is given for, but for texture networks.

    Raises:
        InputError: If one is of another system, or of none.
    """
    from adain.methods.load import check_checkpoint

    for name, given in checkpoints.items():
        if name != "texture_network" and given not in (None, "reference"):
            method = "style_swap" if name == "style_swap" else "adain"
            check_checkpoint(method, checkpoint_file(name, str(given)))


def _match_networks(request: Request) -> None:
    """Find which given texture network is of which style: a checkpoint names its style's file.

    Raises:
        InputError: If one is of no style of the comparison, or a style has none.
    """
    given = request.keys["checkpoints"]["texture_network"]
    if given is None:
        return
    from adain.nn.weights import read_state

    styles = {path.name: path for path in request.styles_of_networks}
    for one in given if isinstance(given, list) else [given]:
        path = checkpoint_file("texture_network", str(one))
        hparams: Any = read_state(path).get("hyper_parameters") or {}
        style = Path(str(hparams.get("style", "no style"))).name
        if style not in styles:
            raise InputError(
                f"checkpoints.texture_network={one} was trained for {style}, which is none of the compared styles "
                f"({', '.join(styles)}): give style=FOLDER that begins with it, or null to train here"
            )
        request._networks[styles[style]] = path
    if missing := [name for name, path in styles.items() if path not in request._networks]:
        raise InputError(
            f"checkpoints.texture_network has no network for {missing[0]}: give one for each of the "
            f"{len(styles)} styles, or null to train here"
        )
