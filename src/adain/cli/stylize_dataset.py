"""``make stylize-dataset``: every picture of a folder in a random style, in shards, resumable."""

from __future__ import annotations

import os
import shlex
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from adain.cli.app import run
from adain.inference.models import choose_decoder
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command

_PATHS = ("content", "style", "out", "decoder")
_KINDS = {"content": "contents", "style": "styles"}
_FORMATS = ("keep", "jpg", "png", "webp")
_ENGINES = ("local", "ray")
_OPTIONAL = ("size", "crop", "style_size", "batch_size", "workers", "ray.cpus", "ray.actors")


def stylize_dataset(config: DictConfig) -> None:
    """Makes what is not there yet and prints what was made, how fast, and what to type next."""
    content, style, out = (Path(str(config[key])).expanduser() for key in ("content", "style", "out"))
    _check(config, content, style, out)
    if config.engine == "ray":
        _check_ray()

    from adain.inference.manifest import Manifest
    from adain.inference.plan import Plan, list_styles

    names, styles = list_styles(style)
    if config.styles_per_picture > len(names):
        raise UserError(
            f"styles_per_picture={config.styles_per_picture} is more than the {len(names)} pictures in style={style}"
        )
    plan = Plan(content, len(names), config.seed, config.styles_per_picture, config.format, config.shard, config.shards)
    every, total = plan.survey()  # also finds names that would collide
    if every == 0:
        raise UserError(f"content={content} holds no picture: give a folder of pictures")
    decoder = choose_decoder(config.decoder, Path(config.logs))
    print(f"decoder       {decoder}")

    from adain.inference.dataset import decoder_digest

    digest = decoder_digest(decoder)
    settings: dict[str, Any] = {
        "content": str(content.resolve()),
        "style": {"name": str(style), "sha256": styles},
        "decoder": {"name": decoder, "sha256": digest},
    }
    keys = ("alpha", "seed", "styles_per_picture", "shards", "size", "crop", "style_size", "format", "quality")
    for key in (*keys, "precision"):
        settings[key] = config[key]
    with Manifest(out, settings, config.shard, config.shards) as manifest:
        before, start = len(manifest), time.perf_counter()
        todo = (job for job in plan.jobs() if not manifest.has(job.output))
        first = next(todo, None)
        made = 0
        if first is not None:
            shared = {"seed": config.seed, "alpha": config.alpha, "decoder": digest[:16]}
            made = _make(config, chain([first], todo), names, manifest, shared, decoder, before, total)
        _report(config, manifest, made, before, time.perf_counter() - start, out)


def _make(
    config: DictConfig,
    jobs: Any,
    names: list[str],
    manifest: Any,
    shared: dict[str, Any],
    decoder: str,
    before: int,
    total: int,
) -> int:
    """Runs the engine under a progress bar."""
    from tqdm.auto import tqdm

    from adain.inference.dataset import Painter, Reader, stylize
    from adain.runtime.memory import keep_freed_memory

    content, style = (Path(str(config[key])).expanduser().resolve() for key in ("content", "style"))
    reader = Reader(content, style, names, config.size, config.crop, config.style_size, config.max_pixels)
    batch_size = config.batch_size or (8 if _gpu() else 1)
    local = config.engine == "local"
    if local:
        keep_freed_memory()
        painter = Painter(decoder, config.alpha, precision=config.precision)
    with tqdm(total=total, initial=before, unit="picture", desc="stylizing", smoothing=0.05) as bar:
        if not local:
            from adain.inference import dataset_ray

            path = Path(decoder).expanduser()
            return dataset_ray.stylize(
                jobs,
                reader,
                manifest,
                bar,
                shared,
                str(path.resolve()) if path.exists() else decoder,
                batch_size,
                config.cached_styles,
                config.quality,
                config.ray.address,
                config.ray.cpus,
                config.ray.actors,
                config.precision,
            )
        workers = config.workers if config.workers is not None else min(8, os.cpu_count() or 1) if _gpu() else 1
        return stylize(
            jobs,
            reader,
            painter,
            manifest,
            bar,
            shared,
            batch_size,
            workers,
            config.cached_styles,
            config.quality,
        )


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _check(config: DictConfig, content: Path, style: Path, out: Path) -> None:
    """What can be known before anything is read.

    Raises:
        UserError: At the first value that cannot be used.
    """
    for key in ("content", "style", "out"):
        if config[key] is None:
            raise UserError(f"{key}=null cannot be used: give a folder")
    for key, path in (("content", content), ("style", style)):
        if not path.is_dir():
            raise UserError(f"{key}={path} is no folder: give a folder of pictures")
        inner, outer = sorted((path.resolve(), out.resolve()), key=lambda p: len(p.parts), reverse=True)
        if inner == outer:
            raise UserError(f"out={out} is the {key} folder: give another, new folder")
        if inner.is_relative_to(outer):
            lies = "inside" if inner == out.resolve() else "around"
            raise UserError(f"out={out} lies {lies} the {key} folder {path}: give a folder apart from it")
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file: give a folder")
    for key, words in (("format", _FORMATS), ("engine", _ENGINES)):
        if config[key] not in words:
            raise UserError(f"{key}={config[key]} is not allowed: choose one of {', '.join(words)}")
    for key, least in (("shards", 1), ("styles_per_picture", 1), ("max_pixels", 1), ("cached_styles", 1), ("seed", 0)):
        if config[key] is None or config[key] < least:
            raise UserError(f"{key}={config[key]} is not allowed: give at least {least}")
    if not 0 <= (-1 if config.shard is None else config.shard) < config.shards:
        raise UserError(f"shard={config.shard} is not allowed: shards={config.shards} has 0 to {config.shards - 1}")
    if not 1 <= (config.quality or 0) <= 100:
        raise UserError(f"quality={config.quality} is not allowed: give 1 to 100")
    for key in _OPTIONAL:
        group, _, name = key.rpartition(".")
        value = (config[group] if group else config)[name]
        least = 16 if key.endswith(("size", "crop")) and key != "batch_size" else 0 if key == "workers" else 1
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            raise UserError(f"{key}={value} is not allowed: give null or a whole number of at least {least}")
    if config.crop is not None and (config.size is None or config.crop > config.size):
        raise UserError(f"crop={config.crop} needs contents at least as large: give size={config.crop} or more with it")


def _check_ray() -> None:
    from importlib.util import find_spec

    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise UserError(f"engine=ray needs Ray, which is not installed: {install_command('ray')}, or give engine=local")


def _report(config: DictConfig, manifest: Any, made: int, before: int, seconds: float, out: Path) -> None:
    """The last lines: how much, how fast, where, and what to type next."""
    there = f", {before} were there already" if before else ""
    speed = f"  ({made / seconds:.1f} pictures per second)" if made else ""
    print(f"\nmade          {made} pictures{there}{speed}")
    if manifest.skipped:
        kinds = [kind for kind, _ in manifest.skipped]
        counts = [f"{kinds.count(kind)} {word}" for kind, word in _KINDS.items() if kind in kinds]
        print(f"passed over   {' and '.join(counts)} that cannot be read, listed in {manifest.unreadable_path}")
    print(f"pictures      {out}/")
    print(f"manifest      {manifest.path}")
    if made + before == 0:
        raise UserError(f"no picture of content={config.content} could be read: see {manifest.unreadable_path}")
    following = config.shard + 1
    if following < config.shards:
        typed = (a.partition("=") for a in sys.argv[1:] if not a.startswith("shard="))
        words = [f"{key}={config[key] if key in _PATHS else value}" for key, _, value in typed]
        print(f"next          make stylize-dataset {' '.join(map(_shell, words))} shard={following}")
    elif config.shards > 1:
        others = "shard 0" if config.shards == 2 else f"shards 0 to {config.shards - 2}"
        print(f"next          {others}, if not done yet")
    else:
        print(f"next          head -n 3 {_shell(str(manifest.path))}   (what came from what)")


def _shell(word: str) -> str:
    return shlex.quote(word).replace("$", "$$")  # make takes a single $ for itself


def main() -> None:
    """The command."""
    run("stylize_dataset", stylize_dataset, paths=_PATHS)


if __name__ == "__main__":
    main()
