"""``make export``: a trained decoder as safetensors and ONNX, checked against PyTorch."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from omegaconf import DictConfig

from adain.cli.app import run
from adain.runtime.errors import UserError
from adain.runtime.extras import as_typed_here, program
from adain.runtime.files import expanded
from adain.training.checkpoints import resolve_checkpoint


def export(config: DictConfig) -> None:
    """Write the files and print how far the graphs are from PyTorch."""
    if config.out is None:
        raise UserError("out=null cannot be used: give a folder")
    out = expanded(config.out)
    decoder = resolve_checkpoint(config.decoder, Path(config.logs)).announce()
    if Path(decoder).resolve() == (out / "decoder.safetensors").resolve():
        raise UserError(f"out={out} holds the decoder that is to be exported: give another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={out} cannot be made ({error.strerror}): give another folder") from None

    from adain.inference.export import TOLERANCE, export_decoder  # torch is imported from here on
    from adain.nn.decoder import load_decoder

    trained = load_decoder(decoder)
    source = decoder if not Path(decoder).is_absolute() else Path(decoder).name  # nobody else's business where it lay
    if config.onnx:
        print("writing two ONNX graphs and running them beside PyTorch: about a minute", flush=True)
    differences = export_decoder(trained, source, out, config.onnx)
    if differences:
        print(f"{'graph':<16}{'batch x height x width':<26}{'largest difference from PyTorch'}")
        for graph, shape, largest in differences:
            print(f"{graph:<16}{' x '.join(map(str, shape)):<26}{largest:.1e}")
        worst = max(difference.largest for difference in differences)
        print(f"largest difference {worst:.1e}, allowed {TOLERANCE:g}\n")
    print(f"weights   {out / 'decoder.safetensors'}  (decoder {decoder}, encoder {trained.encoder})")
    if differences:
        print(f"graphs    {out / 'style_encoder.onnx'}, {out / 'transfer.onnx'}  (dynamic batch, height and width)")
    print(f"card      {out / 'MODEL_CARD.md'}")
    if differences:
        python = program(Path(sys.executable).name)
        print(
            f"next      {python} {shlex.quote(str(out / 'run_onnx.py'))} content.jpg style.jpg out.png   (no torch needed)"
        )
    else:
        decoder = shlex.quote(f"decoder={out / 'decoder.safetensors'}")
        print(as_typed_here(f"next      make stylize {decoder} content=FILE style=FILE"))


def main() -> None:
    """The command."""
    run("export", export)


if __name__ == "__main__":
    main()
