"""The same stages as ``local.stylize`` on Ray Data: for those who have outgrown one machine.

The networks live in a pool of actors, one on each GPU where there are any. They save what they make: an actor that is lost with
its node is started again elsewhere within seconds, while a task there, or a picture it had passed on, is missed only after the
minutes that a silent connection is given. Reading is a task on any node; Ray joins it to actors that need no GPU.
The driver alone keeps the manifest and gives pictures their names, so the promise about kills is the local engine's.
All nodes must see the folders and the decoder's file under the same paths and have this package installed.
"""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from adain.functional.statistics import Statistics
from adain.inference.dataset.local import Painter, Reader, Ready, Request, batches, encode
from adain.inference.dataset.manifest import Manifest, write_part
from adain.inference.dataset.plan import Job
from adain.runtime.errors import InputError, UserError, first_line
from adain.runtime.progress import Bar
from adain.runtime.schema import Arithmetic

# read when Ray is imported; a busy machine does not start Ray's agents within the 30 seconds that they are given
for _name, _value in (
    ("USAGE_STATS_ENABLED", "0"),
    ("agent_register_timeout_ms", "120000"),
    ("BACKEND_LOG_LEVEL", "fatal"),  # its C++ writes into the progress bar; what ends a run is raised all the same
):
    os.environ.setdefault(f"RAY_{_name}", _value)

import ray  # noqa: E402
import ray.data  # noqa: E402

_BLOCK = 64  # jobs that travel together
_BLOCK_BYTES = 16 * 2**20  # of decoded pictures: they are committed, and lost by a kill, block by block
_SAVERS = 4  # threads of an actor
_CORES = 0.9  # of an actor, and of reading: what Ray itself runs fits beside them


def stylize(
    jobs: Iterable[Job],
    reader: Reader,
    manifest: Manifest,
    bar: Bar,
    shared: Mapping[str, Any],
    decoder: str,
    batch_size: int = 1,
    cached_styles: int = 16384,
    quality: int = 95,
    address: str | None = None,
    cpus: int | None = None,
    actors: int | None = None,
    precision: Arithmetic = "auto",
) -> int:
    """Make the pictures of the jobs on a Ray cluster, and return how many. Most arguments are those of ``local.stylize``.

    ``decoder`` is as ``Stylizer.load`` takes it, on every node, like ``precision``. ``cached_styles`` are kept in each actor.
    ``address`` is a running cluster's, or ``auto``; None starts Ray on this machine, with ``cpus`` of its cores or all.
    ``actors`` are copies of the networks; None is one on each GPU, or one on each core where there is no GPU.

    Raises:
        UserError: If the cluster cannot be reached, or as the stages do.
    """
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(
                address=address or "local",  # None would join any cluster that runs on this machine
                num_cpus=None if address else cpus,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray raises plain ones too
            reason = first_line(error).rstrip(".")
            where = f"cannot be reached at ray.address={address}" if address else "cannot be started on this machine"
            raise UserError(f"Ray {where} ({reason}): {_advice(address)}, or give engine=local") from None
    try:
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        copies = actors or gpus or max(1, int(there.get("CPU", 1)))
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = _BLOCK_BYTES
        blocks: list[Any] = [ray.put(table) for table in _tables(jobs)]
        rows = (
            ray.data.from_arrow_refs(blocks)
            .map(functools.partial(_read, reader=reader), num_cpus=_CORES)
            .map_batches(
                _Paint,
                fn_constructor_args=(
                    functools.partial(Painter, decoder, float(shared["alpha"]), precision=precision),
                    reader,
                    cached_styles,
                    batch_size,
                    shared,
                    manifest.out.resolve(),
                    quality,
                ),
                batch_size=4 * batch_size,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=copies),
                num_cpus=_CORES,
                num_gpus=1 if gpus else 0,
            )
            .iter_rows()
        )
        return sum(_commit(json.loads(row["made"]), manifest, bar) for row in rows)
    except Exception as error:
        if (mistake := _user_error(error)) is not None:
            raise mistake from None
        raise
    finally:
        if ours:
            ray.shutdown()


def _advice(address: str | None) -> str:
    """Return advice for where Ray cannot be reached. A cluster started with a token expects it from those who join."""
    if address is None:
        return "try again when less else runs on it, as Ray gives itself 30 seconds"
    if address == "auto" or "RAY_AUTH_MODE" in os.environ:
        return "see that it runs there"
    return "see that it runs there, and if `ray start` spoke of a token, put RAY_AUTH_MODE=token before the command"


def _tables(jobs: Iterable[Job]) -> Iterator[pa.Table]:
    """Yield jobs in blocks. As JSON: file names need not be Unicode, which Arrow's strings must be."""
    rest = iter(jobs)
    while block := [json.dumps(job) for job in islice(rest, _BLOCK)]:
        yield pa.table({"job": block})


def _read(row: dict[str, Any], reader: Reader) -> dict[str, Any]:
    read = reader[Request(Job(*json.loads(row["job"])), with_style=False)]
    there = read.pixels is not None
    return {
        "job": row["job"],
        "pixels": read.pixels.tobytes() if read.pixels is not None else b"",
        "shape": list(read.pixels.shape[:2]) if read.pixels is not None else [0, 0],
        "size": list(read.size),
        "reason": "" if there else read.reason or "unreadable",
    }


class _Paint:
    """An actor: the networks, its own memory of styles, and threads that save while it paints."""

    def __init__(
        self,
        painter: Callable[[], Painter],
        reader: Reader,
        cached_styles: int,
        batch_size: int,
        shared: Mapping[str, Any],
        out: Path,
        quality: int,
    ) -> None:
        self.painter, self.reader, self.batch_size = painter(), reader, batch_size
        self.shared, self.out, self.quality = shared, out, quality
        self.savers = ThreadPoolExecutor(_SAVERS)
        self.skipped: list[tuple[str, str]] = []
        self.style = functools.lru_cache(cached_styles)(self._style)

    def _style(self, index: int) -> tuple[str, Statistics]:
        style = self.reader.read_style(index)
        self.skipped += style.skipped
        return style.name, self.painter.encode(style)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Paint and save what was read; return a line of JSON for each job, as ``_commit`` takes it."""
        ready: list[Ready] = []
        made: list[dict[str, Any]] = []
        for read in table.to_pylist():
            job = Job(*json.loads(read["job"]))
            if read["reason"]:
                made.append({"content": job.content, "reason": read["reason"]})
                continue
            pixels = np.frombuffer(read["pixels"], np.uint8).reshape(*read["shape"], 3)
            ready.append(Ready(job, pixels, tuple(read["size"]), *self.style(job.style)))
        saving = []
        for batch in batches(ready, self.batch_size):
            pictures = self.painter.paint([one.pixels for one in batch], [one.statistics for one in batch])
            for one, picture in zip(batch, pictures, strict=True):
                saving.append(self.savers.submit(self._save, picture, one.job.output))
                made.append({"row": one.row(picture.size, self.shared)})
        for saved in saving:
            saved.result()
        if made:
            made[0]["skipped"], self.skipped = self.skipped, []
        return pa.table({"made": pa.array(map(json.dumps, made), pa.string())})

    def _save(self, picture: Image.Image, output: str) -> None:
        write_part(self.out, output, encode(picture, output, self.quality))


def _commit(made: dict[str, Any], manifest: Manifest, bar: Bar) -> int:
    """Commit a picture, or list what could not be read; return how many pictures were made."""
    for name, reason in made.get("skipped", ()):
        manifest.unreadable("style", name, reason)
    bar.update()
    if "row" not in made:
        manifest.unreadable("content", made["content"], made["reason"])
        return 0
    manifest.commit(made["row"])
    return 1


def _user_error(error: BaseException) -> UserError | None:
    """Return the user's mistake inside Ray's wrapped errors, if there is one."""
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        cause = getattr(inner, "cause", None)
        for one in (inner, cause):
            if isinstance(one, InputError):
                return UserError(str(one).splitlines()[-1] if "\n" in str(one) else str(one))
        inner = inner.__cause__ or cause
    return None
