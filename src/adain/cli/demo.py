"""``make demo``: a web page that paints photographs."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from adain.cli.app import run
from adain.demo.server import check_url, is_loopback, listen, signaled, work_folder
from adain.training.checkpoints import resolve_checkpoint


def demo(config: DictConfig) -> None:
    """Serve the page until Ctrl-C."""
    host = str(config.host)
    check_url(config.url)
    with listen(host, config.port) as bound, work_folder() as folder:
        if not is_loopback(host):
            print(
                f"warning: host={host} lets everyone who reaches this machine use the page and upload pictures: it has no "
                "password",
                file=sys.stderr,
            )
        decoder = resolve_checkpoint(config.decoder, Path(config.logs)).announce()
        print("loading ...", flush=True)

        from adain.demo.launch import start
        from adain.demo.studio import Limits, Studio
        from adain.inference.stylizer import Stylizer
        from adain.runtime.memory import keep_freed_memory

        keep_freed_memory()
        limits = Limits(int(config.max_mb * 2**20), config.max_pixels, config.side, config.live_side)
        studio = Studio(Stylizer.load(decoder, config.device, config.precision), limits)
        page = start(studio, host, bound, folder, decoder, config.url)
        ended = signaled()
        print(
            f"the page is at {page.local_url}   (decoder {decoder}, {studio.stylizer.device}; Ctrl-C ends it)",
            flush=True,
        )
        while not ended.wait(1):  # a wait without end would not notice the signal on every system
            pass
        print("\nending")
        page.close(verbose=False)


def main() -> None:
    """The command."""
    run("demo", demo)


if __name__ == "__main__":
    main()
