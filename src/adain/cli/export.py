"""``make export``: a trained decoder as safetensors and ONNX, checked against PyTorch."""

from __future__ import annotations

import shutil
from pathlib import Path

from omegaconf import DictConfig

from adain.cli.app import run
from adain.inference.models import choose_decoder
from adain.runtime.errors import UserError

_EXAMPLE = Path(__file__).parents[1] / "inference" / "run_onnx.py"


def export(config: DictConfig) -> None:
    """Writes the files and prints how far the graphs are from PyTorch."""
    if config.out is None:
        raise UserError("out=null cannot be used: give a folder")
    out = Path(config.out).expanduser()
    decoder = choose_decoder(config.decoder, Path(config.logs))
    if decoder != "reference" and Path(decoder).resolve() == (out / "decoder.safetensors").resolve():
        raise UserError(f"out={out} holds the decoder that is to be exported: give another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={out} cannot be made ({error.strerror}): give another folder") from None

    from adain.inference.export import TOLERANCE, card, write_onnx, write_safetensors, written
    from adain.nn.decoder import load_decoder
    from adain.nn.encoder import Encoder

    trained = load_decoder(decoder)
    source = decoder if not Path(decoder).is_absolute() else Path(decoder).name  # nobody else's business where it lay
    if config.onnx:
        print("writing two ONNX graphs and running them beside PyTorch: about a minute", flush=True)
    found = write_onnx(Encoder.load(trained.encoder), trained, out) if config.onnx else []
    write_safetensors(trained, out / "decoder.safetensors", source)
    with written(out / "MODEL_CARD.md") as part:
        part.write_text(card(trained, source, found), encoding="utf-8")
    if found:
        with written(out / "run_onnx.py") as part:
            shutil.copyfile(_EXAMPLE, part)
        print(f"{'graph':<16}{'batch x height x width':<26}{'largest difference from PyTorch'}")
        for graph, shape, largest in found:
            print(f"{graph:<16}{' x '.join(map(str, shape)):<26}{largest:.1e}")
        worst = max(difference.largest for difference in found)
        print(f"largest difference {worst:.1e}, allowed {TOLERANCE:g}\n")
    print(f"weights   {out / 'decoder.safetensors'}  (decoder {decoder}, encoder {trained.encoder})")
    if found:
        print(f"graphs    {out / 'style_encoder.onnx'}, {out / 'transfer.onnx'}  (dynamic batch, height and width)")
    print(f"card      {out / 'MODEL_CARD.md'}")
    if found:
        print(f"next      python {out / 'run_onnx.py'} content.jpg style.jpg out.png   (no torch needed)")
    else:
        print(f"next      make stylize decoder={out / 'decoder.safetensors'} content=FILE style=FILE")


def main() -> None:
    """The command."""
    run("export", export, paths=("decoder", "out"))


if __name__ == "__main__":
    main()
