"""Which content is shown in which style: folders crossed or zipped, a list of pairs, or a sample of them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from omegaconf import OmegaConf

from adain.data.folders import is_visible
from adain.data.sample import sample_source
from adain.data.sources import FolderSource
from adain.runtime.conf import conf_dir
from adain.runtime.errors import InputError
from adain.runtime.files import expanded


class Pair(NamedTuple):
    """One content in one style.

    Attributes:
        content: Its name, as tables show it.
        style: The same.
        content_path: Its file.
        style_path: The same.
        output_path: A finished output, where outputs are given.
    """

    content: str
    style: str
    content_path: Path
    style_path: Path
    output_path: Path | None = None


def find_pairs(
    content: str | None, style: str | None, chosen: int | Path | None, pairing: str, outputs: str | None, seed: int
) -> list[Pair]:
    """Return the pairs of two folders, of the held-out sample pictures, or of a file.

    Args:
        content: A folder; None, like the style: the sample pictures.
        style: A folder.
        chosen: How many of the pairs to sample, or the file that lists them; None: all.
        pairing: ``all``, ``zip``, or ``auto``: a list as it is, else all.
        outputs: A folder with finished outputs; None if there are none, or if the file names them.
        seed: Of the sample.

    Raises:
        InputError: If there are none, or outputs for some alone.
    """
    if isinstance(chosen, Path):
        pairs = read_pairs(chosen, pairing)
    else:
        contents, styles = find_both_sides(content, style)
        pairs = cross(contents, styles, "zip" if pairing == "zip" else "all")
        if chosen is not None:
            pairs = sample(pairs, chosen, seed)
    if outputs is not None:
        return with_outputs(pairs, expanded(outputs))
    if any(pair.output_path for pair in pairs) and not all(pair.output_path for pair in pairs):
        raise InputError(f"pairs={chosen} has outputs in some rows only: give one in every row or in none")
    return pairs


def find_both_sides(content: str | None, style: str | None) -> tuple[list[tuple[str, Path]], list[tuple[str, Path]]]:
    """Return names and files of contents and styles: of two folders, or the held-out sample pictures."""
    if content is None or style is None:
        return held_out_samples("content"), held_out_samples("style")
    return named(content), named(style)


def named(folder: str) -> list[tuple[str, Path]]:
    """Return the pictures of a folder, named by their path in it, in order.

    Raises:
        InputError: If there is no such folder, or no picture in it.
    """
    root = expanded(folder)
    base = root if root.is_dir() else root.parent
    return [(Path(name).relative_to(base).as_posix(), Path(name)) for name in FolderSource(str(root)).names]


def held_out_samples(kind: Literal["content", "style"]) -> list[tuple[str, Path]]:
    """Return the sample pictures that a training holds out by default, named by their file.

    Raises:
        InputError: If they are not cached and cannot be had.
    """
    count = OmegaConf.load(conf_dir() / "data" / "base" / "pairs.yaml").val_pairs
    return [(Path(name).name, Path(name)) for name in sample_source(kind).split(count)[1].names]


def cross(contents: Sequence[tuple[str, Path]], styles: Sequence[tuple[str, Path]], pairing: str) -> list[Pair]:
    """Return all contents in all styles, style by style, or with ``zip`` the i-th content in the i-th style.

    Raises:
        InputError: If there are different numbers to zip.
    """
    if pairing == "zip":
        if len(contents) != len(styles):
            raise InputError(
                f"pairing=zip takes as many contents as styles, but there are {len(contents)} and {len(styles)}: "
                "give folders of equal count, pairing=all, or pairs=FILE"
            )
        return [Pair(c, s, cp, sp) for (c, cp), (s, sp) in zip(contents, styles, strict=True)]
    return [Pair(c, s, cp, sp) for s, sp in styles for c, cp in contents]


def read_pairs(path: Path, pairing: str) -> list[Pair]:
    """Return the pairs of a file; names in it are relative to its folder, or absolute.

    Args:
        path: A CSV file with columns ``content``, ``style`` and, if outputs are there already, ``output``; or a list of
            one file a line, of which those below a folder ``content/`` are contents and those below ``style/`` styles.
        pairing: For a list: ``zip``, also what ``auto`` means, or ``all``.

    Raises:
        InputError: If it is neither, is empty, or names files that are not there.
    """
    base = path.parent
    try:
        lines = [
            line.strip() for line in path.read_text("utf-8-sig", errors="surrogateescape").splitlines() if line.strip()
        ]
    except OSError as error:
        raise InputError(f"pairs={path} cannot be read ({error}): give a CSV file or a list of files") from None
    if not lines:
        raise InputError(f"pairs={path} is empty: give a CSV file with the columns content,style, or a list of files")
    header = [column.strip() for column in next(csv.reader([lines[0]]))]
    if {"content", "style"} <= set(header):
        pairs = []
        for number, row in enumerate(csv.DictReader(lines[1:], fieldnames=header), 2):
            content, style, output = ((row.get(key) or "").strip() for key in ("content", "style", "output"))
            if not content or not style:
                raise InputError(f"pairs={path} has no content or no style in row {number}: give both in every row")
            pairs.append(Pair(content, style, base / content, base / style, base / output if output else None))
        if not pairs:
            raise InputError(f"pairs={path} has a header and no rows: give one row a pair")
    else:
        kinds: dict[str, list[tuple[str, Path]]] = {"content": [], "style": []}
        for line in lines:
            kind = next((part for part in Path(line).parts[:-1] if part in kinds), None)
            if kind is None:
                raise InputError(
                    f"pairs={path}: the line {line!r} is below neither content/ nor style/: "
                    "give such a list, or a CSV file with the columns content,style"
                )
            kinds[kind].append((line, base / line))
        pairs = cross(kinds["content"], kinds["style"], "zip" if pairing == "auto" else pairing)
        if not pairs:
            raise InputError(f"pairs={path} lists no contents or no styles: give both")
    _all_there(path, [p for pair in pairs for p in (pair.content_path, pair.style_path, pair.output_path) if p])
    return pairs


def _all_there(source: Path, files: Sequence[Path]) -> None:
    missing = [str(file) for file in dict.fromkeys(files) if not file.is_file()]
    if missing:
        raise InputError(f"{source} names files that are not there: {listed(missing)}; put them there or fix the list")


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names in a row, the last ones counted where there are more than so many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def sample(pairs: list[Pair], count: int, seed: int) -> list[Pair]:
    """Return so many of the pairs, drawn without replacement, in their order; all where there are fewer."""
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:count]
    return [pairs[index] for index in sorted(chosen)]


def output_stem(pair: Pair) -> str:
    """Return the name of a pair's output, without its ending."""
    return f"{pair.content_path.stem}_{pair.style_path.stem}"


def shared_stem(pairs: Sequence[Pair]) -> str | None:
    """Return a name that the outputs of two pairs would share; None if there is none."""
    counts = Counter(map(output_stem, pairs))
    return next((stem for stem, count in counts.items() if count > 1), None)


def with_outputs(pairs: list[Pair], folder: Path) -> list[Pair]:
    """Return the pairs with their finished outputs, found in a folder by stems; any picture ending will do.

    Args:
        pairs: Without outputs.
        folder: Holds ``CONTENT_STYLE.png``, or ``CONTENT_stylized_STYLE.png`` as StyleID names them.

    Raises:
        InputError: If outputs are missing, by name, or two pairs would have the same one.
    """
    if not folder.is_dir():
        raise InputError(f"outputs={folder} is not a folder: give the folder of finished outputs")
    found: dict[str, Path] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if is_visible(entry.name):
            if path.stem in found:
                raise InputError(f"outputs={folder} holds {found[path.stem].name} and {path.name}: leave one")
            found[path.stem] = path
    if not any(output_stem(pair) in found for pair in pairs):
        found = {stem.replace("_stylized_", "_"): path for stem, path in found.items()}  # as StyleID names them
    if (twice := shared_stem(pairs)) is not None:
        raise InputError(
            f"two pairs share the output name {twice}: name each output in a column `output` of pairs=FILE"
        )
    stems = [output_stem(pair) for pair in pairs]
    if missing := [f"{stem}.png" for stem in stems if stem not in found]:
        raise InputError(
            f"outputs={folder} lacks {len(missing)} of {len(pairs)} outputs: {listed(missing)}; "
            "add them (CONTENT_STYLE.png), or choose fewer pairs"
        )
    return [pair._replace(output_path=found[stem]) for pair, stem in zip(pairs, stems, strict=True)]
