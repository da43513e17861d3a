"""Jobs side by side on this machine, each in a process of its own that sees one device."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from adain.runtime.errors import UserError


class PoolLauncher(Launcher):
    """Gives each device one job at a time. A job that ends, however it ends, gives its device back.

    What a job prints goes to ``output.log`` in its folder.

    Args:
        devices: ``auto``: every GPU; how many of them; or a list of what ``CUDA_VISIBLE_DEVICES`` takes.
    """

    def __init__(self, devices: str | int | Sequence[int | str]) -> None:
        self.devices = devices

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way of handing over."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs. What each came to stands in its folder.

        Raises:
            UserError: If there is no such device.
        """
        setup_globals()
        devices = device_names(self.devices)
        starts = []
        for index, overrides in enumerate(job_overrides, initial_job_idx):
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = index
            starts.append(partial(self._start, config, max((os.cpu_count() or 1) // len(devices), 1)))
        run_pool(starts, devices)
        return []

    def _start(self, config: DictConfig, threads: int, device: str) -> BaseProcess:
        folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        print(f"job {folder.name} on device {device}: {folder / 'output.log'}", flush=True)
        arguments = (self.context, self.task, config, folder, device, threads)
        process = multiprocessing.get_context("spawn").Process(target=_run, args=arguments, name=f"job {folder.name}")
        process.start()
        return process


def device_names(devices: str | int | Sequence[int | str]) -> list[str]:
    """Return the devices of a pool, as ``CUDA_VISIBLE_DEVICES`` has them.

    Raises:
        UserError: If there are none, or fewer than asked for.
    """
    if not isinstance(devices, str | int):
        names = [str(device) for device in devices]
        if not names or len(set(names)) < len(names):
            raise UserError(
                f"hydra.launcher.devices=[{','.join(names)}] is not allowed: give each device once, as in [0,1]"
            )
        return names
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        known = visible.split(",")
    else:
        import torch

        known = [str(number) for number in range(torch.cuda.device_count())]
    if devices != "auto" and (not str(devices).isdecimal() or int(devices) < 1):
        raise UserError(
            f"hydra.launcher.devices={devices} is not allowed: give auto, a number of GPUs, or a list, as in [0,1]"
        )
    count = len(known) if devices == "auto" else int(devices)
    if not known or count > len(known):
        raise UserError(
            f"hydra.launcher.devices={devices}: this machine has {len(known)} GPUs: give as many, or leave hydra/launcher out"
        )
    return known[:count]


def run_pool(starts: Sequence[Callable[[str], BaseProcess]], devices: Sequence[str]) -> None:
    """Start each job on a device that is free, until all have ended. If this is stopped, the jobs are, and waited for.

    Args:
        starts: Each starts a job on the device that it is given.
        devices: The names.
    """
    waiting, free = deque(starts), deque(devices)
    running: dict[object, tuple[BaseProcess, str]] = {}  # by what tells of their end
    try:
        while waiting or running:
            while waiting and free:
                device = free.popleft()
                process = waiting.popleft()(device)
                running[process.sentinel] = process, device
            for ended in wait([process.sentinel for process, _ in running.values()]):
                process, device = running.pop(ended)
                process.join()
                free.append(device)
                if (code := process.exitcode or 0) < 0:
                    print(f"{process.name} was ended by {signal.Signals(-code).name}", file=sys.stderr, flush=True)
    except BaseException:
        for process, _ in running.values():
            process.terminate()  # a training writes its checkpoint
        for process, _ in running.values():
            process.join()
        raise


def _run(
    context: HydraContext, task: TaskFunction, config: DictConfig, folder: Path, device: str, threads: int
) -> None:
    """Run one job in this new process."""
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    setup_globals()
    run_job(
        hydra_context=context, task_function=task, config=config, job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )  # fmt: skip
