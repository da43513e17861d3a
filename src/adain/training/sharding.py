"""Weights in shares, one a device.

Weights, gradients and Adam's state of this decoder are 56 MB together, so there is nothing to be gained by spreading them:
this is here to be compared with, and for decoders made much wider.
"""

from __future__ import annotations

from datetime import timedelta

from pytorch_lightning.strategies import ModelParallelStrategy


class FSDP(ModelParallelStrategy):
    """Lightning's strategy over torch's ``fully_shard``, with data parallelism alone, on GPUs or CPUs.

    What is cut is the method's affair (``configure_model``): the decoder, as one unit, not the encoder. Checkpoints are one
    file, as without it.

    Args:
        process_group_backend: ``nccl`` or ``gloo``; None for the device's own.
        timeout: After which a rank that hears nothing from the others gives up.
    """

    def __init__(self, process_group_backend: str | None, timeout: timedelta) -> None:
        super().__init__(
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            process_group_backend=process_group_backend,
            timeout=timeout,
        )

    def setup_environment(self) -> None:
        """All ranks hold shares of one decoder."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()
