"""Several processes for one job: started together, stopped together, as one group of their own.

Lightning would start the other ranks by running the command line again. In a sweep that line is the whole sweep, under a
launcher (joblib, submitit, Ray) it is not ours at all, and its time stamp names another folder each time. Here every rank
gets the composed configuration instead. Rank 0 is a child too: whatever becomes of the group, the process that started
it lives on to say so and to begin the next job.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import UserError, first_line
from adain.runtime.files import is_locked
from adain.runtime.mistakes import mistake
from adain.runtime.run_folder import TRAINING_LOCK, mark, read_summary
from adain.runtime.signals import STOPPING, SignalHandlers
from adain.runtime.streams import keep_writing

if TYPE_CHECKING:
    import pytorch_lightning as pl

_LOST = re.compile(r"gloo|NCCL|pair closure|[Cc]onnection (closed|reset)|[Tt]imed out|[Tt]imeout")
_GRACE = 20.0  # seconds for the other ranks to notice that one is gone, write their summary and end


def run_ranks(config: DictConfig, count: int) -> float | None:
    """Train in ``count`` new processes on this machine and wait for them.

    Signals to stop are passed on. If one rank ends badly, the others get some seconds to end by themselves.

    Args:
        config: What ``train`` takes.
        count: Processes, one a device.

    Returns:
        The best monitored value, as ``train`` does.

    Raises:
        UserError: If a rank failed: its own message, or which rank ended how.
        SystemExit: If they, or one of them alone, were told to stop: 128 + the signal's number.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    with tempfile.TemporaryDirectory(prefix="adain-ranks-") as messages:
        group = _Group(config, count, Path(messages), folder / "checkpoints" / "last.ckpt")
        handlers = SignalHandlers(group.receive)
        try:
            failed = group.wait()
        finally:
            group.kill()
            handlers.restore()
        message = group.message(failed) if failed is not None else ""
    if group.received is None and failed is not None and group.codes[failed] - 128 in STOPPING:
        sys.exit(group.codes[failed])  # one rank alone was told, and all agreed to stop
    if group.received is not None and (failed is None or group.codes[failed] >= 128 or group.codes[failed] < 0):
        if group.received == signal.SIGUSR2 and callable(handler := signal.getsignal(signal.SIGUSR2)):
            handler(group.received, None)  # submitit's: queues the job again
        sys.exit(128 + group.received)
    if failed is None:
        best: float | None = read_summary(folder).get("best", {}).get(config.monitor.metric)
        return best
    with suppress(OSError):  # a full disk, say
        # rank 0 may have been ended before it could say so; or it was refused, because another training is at work here
        if read_summary(folder).get("status") == "running" and not is_locked(folder / TRAINING_LOCK):
            mark(folder, "failed", message)
    raise UserError(message)


class _Group:
    """The processes of one job."""

    def __init__(self, config: DictConfig, count: int, messages: Path, last: Path) -> None:
        self.messages, self.last = messages, last
        self.received: signal.Signals | None = None
        hydra = OmegaConf.to_container(HydraConfig.instance().cfg, resolve=False)
        given = {"config": OmegaConf.to_container(config, resolve=True), "hydra": hydra}
        environment = {
            **os.environ,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_free_port()),
            "WORLD_SIZE": str(count),
            "NODE_RANK": "0",
            "ADAIN_RANKS": "1",
        }
        self.processes = []
        for rank in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "adain.cli.train"],
                env=environment | {"LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,
                process_group=0,  # Ctrl-C reaches the ranks through us, once
            )
            assert process.stdin is not None
            line = json.dumps(given | {"message": str(messages / str(rank))}, default=str)
            with suppress(BrokenPipeError):
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()  # stays open: its end tells the rank that we are gone
            self.processes.append(process)

    @property
    def codes(self) -> list[int]:
        """Return exit codes so far, 0 for those that run."""
        return [process.poll() or 0 for process in self.processes]

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on: the ranks agree among themselves on the step after which they stop."""
        self.received = signal.Signals(number)
        for process in self.processes:
            process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    def wait(self) -> int | None:
        """Wait for all. Return the rank that failed first, or None."""
        failed, until = None, float("inf")
        while any(process.poll() is None for process in self.processes) and time.monotonic() < until:
            if failed is None and (failed := self._failed()) is not None:
                until = time.monotonic() + _GRACE
            time.sleep(0.05)
        return self._failed() if failed is None else failed

    def _failed(self) -> int | None:
        codes = self.codes
        killed = [rank for rank, code in enumerate(codes) if code < 0]
        return next(iter([*killed, *(rank for rank, code in enumerate(codes) if code)]), None)

    def kill(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def message(self, rank: int) -> str:
        """Return why a rank ended."""
        with suppress(OSError):
            return (self.messages / str(rank)).read_text()
        code = self.codes[rank]
        advice = f"; continue with ckpt={self.last}" if self.last.exists() else ""
        if code >= 0:
            return f"rank {rank} of {len(self.processes)} ended with exit code {code}, for the reason above{advice}"
        hint = " (often: no memory left)" if code == -signal.SIGKILL else ""
        return f"rank {rank} of {len(self.processes)} was ended by {signal.Signals(-code).name}{hint}{advice}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- in each rank ---------------------------------------------------------------------------------------------------


def is_rank() -> bool:
    """Return whether this process was started by ``run_ranks``."""
    return "ADAIN_RANKS" in os.environ


def serve(train: Callable[[DictConfig], object]) -> None:
    """One rank: takes the configuration from its standard input and trains."""
    from hydra.core.utils import setup_globals

    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 65536)):
            sys.exit("ADAIN_RANKS is set, as for the processes that a training starts: unset it")
        line += piece
    given = json.loads(line)
    threading.Thread(target=_follow_parent, daemon=True).start()
    keep_writing()
    setup_globals()
    HydraConfig.instance().cfg = OmegaConf.create(given["hydra"])
    config = OmegaConf.create(given["config"])
    OmegaConf.set_struct(config, True)
    try:
        train(config)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if (text := mistake(error)) is None:
            raise
        Path(given["message"]).write_text(text)
        sys.exit(1)


def _follow_parent() -> None:
    """Stop the training, checkpoint written, when the process that started us is gone without a word."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def lost_ranks_named(trainer: pl.Trainer, folder: Path) -> Iterator[None]:
    """Tell a rank that lost the others, in the middle of an exchange, from a fault of its own.

    Raises:
        UserError: With the rank, the step and the checkpoint to continue with.
    """
    try:
        yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not _LOST.search(str(error)):
            raise
        last = folder / "checkpoints" / "last.ckpt"
        raise UserError(
            f"rank {trainer.global_rank} of {trainer.world_size} lost the others at step {trainer.global_step} "
            f"({first_line(error)[:200]}): look there for the cause, then continue with ckpt={last}"
        ) from error
