"""What ``make compare`` is asked for: keys held against each other, pictures and checkpoints found, before any work."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import UserError

if TYPE_CHECKING:
    from adain.evaluation.pairs import Pair

PARTS = ("speed", "losses", "pictures", "ablations")
_NOT_OF_IT = ("parts", "device", "out", "logs", "run", "logger", "content", "style", "checkpoints")


def check(config: DictConfig) -> None:
    """What can be known before torch is imported.

    Raises:
        UserError: At the first mistake.
    """
    if not OmegaConf.is_list(config.parts) or not config.parts or any(part not in PARTS for part in config.parts):
        raise UserError(f"parts={_shown(config.parts)} must be a list out of {', '.join(PARTS)}, such as parts=[speed]")
    for key, least in (("sizes", 32), ("losses.iterations", 1)):
        values = OmegaConf.select(config, key)
        if not values or any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in values):
            raise UserError(
                f"{key}={_shown(values)} must be whole numbers of at least {least}, such as {key}=[{2 * least}]"
            )
    if config.speed.gatys_done > config.speed.gatys_iterations:
        raise UserError(
            f"speed.gatys_done={config.speed.gatys_done} is more than speed.gatys_iterations="
            f"{config.speed.gatys_iterations}: give at most as many"
        )
    if (config.content is None) != (config.style is None):
        given, lacking = ("content", "style") if config.style is None else ("style", "content")
        raise UserError(f"{given} is given without {lacking}: give both, or neither for the sample pictures")
    for key in ("content", "style"):
        if config[key] is not None and not Path(config[key]).expanduser().is_dir():
            raise UserError(f"{key}={config[key]} is no folder: give a folder of pictures")
    for name, wanted in config.checkpoints.items():
        if wanted is None or (name == "adain" and wanted == "reference"):
            if name == "adain" and wanted is None:
                raise UserError("checkpoints.adain=null cannot be used: give reference, a run's folder or a file")
            continue
        several = list(wanted) if OmegaConf.is_list(wanted) else [wanted]
        if len(several) > 1 and name != "texture_network":
            raise UserError(f"checkpoints.{name}={_shown(wanted)} are several: give one")
        for one in several:
            _checkpoint(str(name), str(one))


def _checkpoint(name: str, wanted: str) -> Path:
    """The file that is meant by a file or a run's folder."""
    path = Path(wanted).expanduser()
    for candidate in (path, path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt"):
        if candidate.is_file():
            return candidate.resolve()
    raise UserError(
        f"checkpoints.{name}={wanted} is neither a file nor a run's folder with a checkpoint: check the path, or give null, "
        "and one is trained here"
    )


def _shown(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if OmegaConf.is_list(value) else str(value)


@dataclass
class Request:
    """What is compared on what.

    Attributes:
        config: As composed.
        loss_pairs: Of the figure of losses.
        picture_pairs: Rows of the qualitative figure; all their styles have a texture network.
        ablation_pairs: Of the table of ablations.
        ablation_rows: Rows of its figure.
        settings: All that results depend on, but for the machine.
    """

    config: DictConfig
    loss_pairs: list[Pair]
    picture_pairs: list[Pair]
    ablation_pairs: list[Pair]
    ablation_rows: list[Pair]
    settings: dict[str, Any] = field(default_factory=dict)
    _networks: dict[Path, Path] = field(default_factory=dict)

    @property
    def pairs(self) -> list[Pair]:
        """All of them, as often as they are used."""
        return [*self.loss_pairs, *self.picture_pairs, *self.ablation_pairs, *self.ablation_rows]

    @property
    def styles_of_networks(self) -> list[Path]:
        """Files of the styles that texture networks are needed for."""
        return list(dict.fromkeys(pair.style_path for pair in (*self.loss_pairs, *self.picture_pairs)))

    def checkpoint(self, name: str, style: Path | None = None) -> str | Path | None:
        """The file given for a system, ``reference``, or None where one is to be trained."""
        if name == "texture_network":
            return self._networks.get(style) if style is not None else None
        wanted = self.config.checkpoints[name]
        return wanted if wanted in (None, "reference") else _checkpoint(name, str(wanted))

    def folder(self, settings: dict[str, Any]) -> Path:
        """Where it all goes: as given, or one that stands for the settings."""
        from adain.evaluation.store import digest

        if self.config.out is not None:
            return Path(str(self.config.out)).expanduser()
        return Path(self.config.logs) / "compare" / digest(settings)


def read_request(config: DictConfig) -> Request:
    """Finds pictures, and finds and checks checkpoints; no picture is read.

    Raises:
        UserError: If there are too few pictures, or a checkpoint cannot be read or is of another system or style.
    """
    from adain.evaluation.pairs import cross, held_out_samples, named

    if config.content is None:
        contents, styles = held_out_samples("content"), held_out_samples("style")
    else:
        contents, styles = named(config.content), named(config.style)
    for key, found in (("contents", contents), ("styles", styles)):
        for section in ("losses", "ablations"):
            if config[section][key] > len(found):
                where = "held-out sample pictures" if config.content is None else "pictures in the folder"
                raise UserError(
                    f"{section}.{key}={config[section][key]} is too many: there are {len(found)} {where}; give fewer, or "
                    "folders with more as content=FOLDER style=FOLDER"
                )

    def rows(count: int, of: int) -> list[Any]:
        """The i-th content in the i-th style, beginning anew where one kind is used up."""
        return [(*contents[i % len(contents)], *styles[i % of]) for i in range(count)]

    def pairs(of: list[Any]) -> list[Pair]:
        from adain.evaluation.pairs import Pair

        return [Pair(c, s, cp, sp) for c, cp, s, sp in of]

    request = Request(
        config,
        cross(contents[: config.losses.contents], styles[: config.losses.styles], "all"),
        pairs(rows(config.pictures.rows, config.losses.styles)),
        cross(contents[: config.ablations.contents], styles[: config.ablations.styles], "all"),
        pairs(rows(config.ablations.rows, len(styles))),
    )
    _match_systems(config)
    _match_networks(request)
    kept = OmegaConf.to_container(config, resolve=True)
    assert isinstance(kept, dict)
    for section in ("gatys", "style_swap"):
        del kept[section]["name"]  # always the section's own; a folder of version 0.1 holds none
    request.settings = {str(key): value for key, value in kept.items() if key not in _NOT_OF_IT}
    request.settings["pictures_of"] = [
        [str(p.content_path.resolve()), str(p.style_path.resolve())] for p in dict.fromkeys(request.pairs)
    ]
    request.settings["checkpoints"] = {
        str(name): _identity(str(name), wanted) for name, wanted in config.checkpoints.items()
    }
    return request


def _identity(name: str, wanted: Any) -> Any:
    """A checkpoint as its path and digest: another file at the same place is another comparison."""
    from adain.runtime.fetch import sha256_of

    if wanted in (None, "reference"):
        return wanted
    if OmegaConf.is_list(wanted):
        return [_identity(name, one) for one in wanted]
    path = _checkpoint(name, str(wanted))
    return [str(path), sha256_of(path)[:16]]


def _match_systems(config: DictConfig) -> None:
    """Holds every given checkpoint but those of texture networks against the system that it is given for.

    Raises:
        UserError: If one is of another system, or of none.
    """
    from adain.methods.load import check_checkpoint

    for name, wanted in config.checkpoints.items():
        if name != "texture_network" and wanted not in (None, "reference"):
            method = "style_swap" if name == "style_swap" else "adain"
            check_checkpoint(method, _checkpoint(str(name), str(wanted)))


def _match_networks(request: Request) -> None:
    """Which given texture network is of which style: a checkpoint names its style's file.

    Raises:
        UserError: If one is of no style of the comparison, or a style has none.
    """
    given = request.config.checkpoints.texture_network
    if given is None:
        return
    from adain.nn.weights import read_state

    styles = {path.name: path for path in request.styles_of_networks}
    for one in list(given) if OmegaConf.is_list(given) else [given]:
        path = _checkpoint("texture_network", str(one))
        hparams: Any = read_state(path).get("hyper_parameters") or {}
        own = Path(str(hparams.get("style", "no style"))).name
        if own not in styles:
            raise UserError(
                f"checkpoints.texture_network={one} was trained for {own}, which is none of the compared styles "
                f"({', '.join(styles)}): give style=FOLDER that begins with it, or null to train here"
            )
        request._networks[styles[own]] = path
    if lacking := [name for name, path in styles.items() if path not in request._networks]:
        raise UserError(
            f"checkpoints.texture_network has no network for {lacking[0]}: give one for each of the "
            f"{len(styles)} styles, or null to train here"
        )
