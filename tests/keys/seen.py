"""What can be seen of what a command did. Each takes a command that ended, or is made by a function for the occasion."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file

from adain.runtime.errors import InputError
from tests.helpers.pictures import encode, smooth
from tests.keys.commands import Done

PHOTO = encode(smooth(7, (96, 72)))


def error(done: Done) -> str | None:
    return done.error


def names(done: Done) -> list[str]:
    """Of all files; a date and time, as in a folder's name, is nobody's key."""
    return [re.sub(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", "NOW", name) for name in done.files]


def batches(done: Done) -> set[int]:
    """Their sizes."""
    return {shape[0] for shape in done.calls}


def shapes_seen(done: Done) -> set[tuple[int, ...]]:
    """By the networks."""
    return set(done.calls)


def folders(done: Done) -> set[str]:
    """At the top."""
    return {path.name for path in done.folder.iterdir()}


def links(done: Done) -> list[str]:
    """To the latest run."""
    return [str(path.relative_to(done.folder)) for path in done.folder.rglob("latest")]


def calls(done: Done) -> int:
    """Of the networks."""
    return done.calls.total()


def summary(*keys: str) -> Callable[[Done], Any]:
    """Fields of ``summary.json``."""

    def see(done: Done) -> Any:
        return [done.summary[key] for key in keys]

    return see


def steps(done: Done) -> list[int]:
    """That were validated."""
    return [row["step"] for row in done.summary["history"]]


def first_loss(done: Done) -> float:
    loss: float = done.summary["history"][0]["val/loss"]
    return loss


def last_loss(done: Done) -> float:
    loss: float = done.summary["final"]["val/loss"]
    return loss


def train_loss(done: Done) -> float:
    loss: float = done.summary["train"]["train/loss"]
    return loss


def rate(done: Done) -> float:
    """The learning rate of the last step."""
    found: float = done.summary["train"]["train/lr"]
    return found


def weights(kind: str = "") -> Callable[[Done], Any]:
    """The trained ones whose names end in ``kind``."""

    def see(done: Done) -> Any:
        state = done.checkpoint["state_dict"]
        return {name: digest(value) for name, value in state.items() if name.endswith(kind)}

    return see


def digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()


def shapes(done: Done) -> Any:
    return {name: tuple(value.shape) for name, value in done.checkpoint["state_dict"].items()}


def best_score(done: Done) -> float:
    """What ``best.ckpt`` was chosen by."""
    states = done.checkpoint["callbacks"]
    score: float = next(
        states[name]["best_model_score"].item() for name in states if name.startswith("ModelCheckpoint")
    )
    return score


def best_step(done: Done) -> int:
    """In the summary."""
    step: int = done.summary["best"]["step"]
    return step


def logged(done: Done) -> list[str]:
    """Steps with a line of training losses."""
    return [row["step"] for row in done.rows("metrics.csv") if row["train/loss"]]


def skipped(done: Done) -> list[str]:
    """Pictures that could not be used."""
    path = done.output / "skipped.txt"
    return sorted(path.read_text().splitlines()) if path.exists() else []


def asked(name: str, count: int = 1) -> Callable[[Done], Any]:
    """What a stand-in was asked for, the ``count``-th time."""
    return lambda done: [value for known, value in done.asked if known == name][count - 1 : count]


def ddp(name: str) -> Callable[[Done], Any]:
    """What torch's DistributedDataParallel is given."""
    return lambda done: done.result.strategy._ddp_kwargs[name]


def strategy(name: str) -> Callable[[Done], Any]:
    return lambda done: getattr(done.result.strategy, name)


def strategy_name(done: Done) -> str:
    return type(done.result.strategy).__name__


def held_out(done: Done) -> list[dict[str, str]]:
    return done.rows("held_out.csv")


def pictures(done: Done) -> list[tuple[tuple[int, int], str]]:
    """Sizes and pixels of all pictures, whatever their names."""
    found = []
    for name, data in done.files.items():
        if name.endswith((".png", ".jpg", ".webp")):
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            found.append((picture.size, hashlib.sha256(picture.tobytes()).hexdigest()))
    return sorted(found)


def sizes(done: Done) -> list[tuple[int, int]]:
    """Of all pictures."""
    return [size for size, _ in pictures(done)]


def widths(done: Done) -> set[int]:
    """Of all pictures."""
    return {size[0] for size in sizes(done)}


def video(done: Done) -> list[str]:
    """The frames of the one video."""
    from tests.helpers import clips  # needs PyAV

    (path,) = done.folder.rglob("*.mkv")
    return [hashlib.sha256(frame.tobytes()).hexdigest() for frame in clips.planes_of(path)]


def evaluated(name: str) -> Callable[[Done], Any]:
    """Which pairs."""
    return lambda done: [(row["content"], row["style"]) for row in done.rows(name)]


def means(done: Done) -> dict[str, float]:
    """Of an evaluation's figures."""
    return {name: found["mean"] for name, found in done.read_json("results.json")["metrics"].items()}


def protocol(done: Done) -> Any:
    """Which an evaluation states."""
    return done.read_json("results.json")["protocol"]


def intervals(done: Done) -> dict[str, float]:
    return {name: found["low"] for name, found in done.read_json("results.json")["metrics"].items()}


def page(done: Done) -> str:
    (path,) = done.folder.rglob("index.html")
    return path.read_text()


def compared(table: str, column: str) -> Callable[[Done], Any]:
    """A column of one of a comparison's tables."""
    return lambda done: sorted({row[column] for row in done.rows(f"{table}.csv")})


def figures(table: str, method: str) -> Callable[[Done], Any]:
    """A system's rows."""
    return lambda done: [row for row in done.rows(f"{table}.csv") if row["method"] == method]


def spread(done: Done) -> bool:
    """Whether there was more than one round."""
    return any(row["without_s_q1"] != row["without_s_q3"] for row in done.rows("speed.csv"))


def output(name: str) -> Callable[[Done], Any]:
    """The file of a comparison's picture."""
    return lambda done: [data for path, data in done.files.items() if path.endswith(f"outputs/{name}.png")]


def made(kind: str) -> Callable[[Done], Any]:
    """Names of its pictures."""
    return lambda done: [path.rpartition("/")[2] for path in done.files if f"outputs/{kind}_" in path]


def made_sizes(kind: str) -> Callable[[Done], Any]:
    """Their sizes."""
    return lambda done: {Image.open(path).size for path in done.folder.rglob(f"outputs/{kind}_*")}


def picture_sizes(folder: str) -> Callable[[Done], Any]:
    """Sizes of the pictures in a folder of that name."""
    return lambda done: {Image.open(path).size for path in done.folder.rglob(f"{folder}/**/*.png")}


def count(folder: str) -> Callable[[Done], Any]:
    """How many they are."""
    return lambda done: len(list(done.folder.rglob(f"{folder}/**/*.png")))


def trained(name: str, *keys: str) -> Callable[[Done], Any]:
    """A part of the checkpoint of a network that was trained within a comparison."""

    def see(done: Done) -> Any:
        (path,) = done.folder.rglob(f"trained/{name}/checkpoints/last.ckpt")
        found: Any = torch.load(path, weights_only=True)
        for key in keys:
            found = found[key]
        return found

    return see


def said_of_systems(pattern: str) -> Callable[[Done], Any]:
    """What a comparison tells of how its systems came to be."""
    return lambda done: re.findall(pattern, str(done.read_json("systems.json")))


def benched(column: str) -> Callable[[Done], Any]:
    """A column of a benchmark's rows."""
    return lambda done: sorted({str(row.get(column)) for row in done.read_json("bench.json")["rows"]})


def said(pattern: str) -> Callable[[Done], Any]:
    """What was printed."""
    return lambda done: re.findall(pattern, done.text)


def exported(done: Done) -> dict[str, str]:
    """The tensors of the one file of weights."""
    (path,) = done.folder.rglob("*.safetensors")
    return {name: digest(value) for name, value in load_file(path).items()}


def painted(done: Done) -> Any:
    """What the demo makes of a picture, or says."""
    try:
        return _studio(done).stylize(PHOTO, [PHOTO], [1.0])[1].tobytes()
    except InputError as error:
        return str(error)


def painted_size(done: Done) -> Any:
    return _studio(done).stylize(PHOTO, [PHOTO], [1.0])[1].size


def frame_size(done: Done) -> Any:
    return _studio(done).frame(PHOTO, [PHOTO], [1.0], 1.0, "none").size


def _studio(done: Done) -> Any:
    return dict(done.asked)["studio"]


def jobs(done: Done) -> list[Any]:
    """The learning rates of a sweep's jobs."""
    return [value for name, value in done.asked if name == "lr"]
