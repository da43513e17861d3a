from __future__ import annotations

import pytest
import torch

from adain.evaluation.speed.plain_step import plain_decoder, plain_encoder, plain_losses
from adain.methods.adain import AdaINMethod
from adain.nn.decoder import Decoder, from_reference
from adain.nn.weights import find, read_state


def test_the_plain_step_has_our_losses_and_gradients() -> None:
    """Else the benchmark would compare two different things."""
    torch.manual_seed(0)
    encoder, decoder = plain_encoder(read_state(find("vgg19_normalized"))), plain_decoder()
    method = AdaINMethod()
    method.decoder.load_state_dict(from_reference(decoder.state_dict()))
    content, style = torch.rand(2, 2, 3, 48, 48)
    content_loss, style_loss = plain_losses(encoder, decoder, content, style)
    (content_loss + 10 * style_loss).backward()
    terms, _ = method.losses(content, style)
    ours = sum(term for name, term in terms.items() if name != "content")
    assert terms["content"].item() == pytest.approx(content_loss.item(), rel=1e-4)
    assert ours.item() == pytest.approx(style_loss.item(), rel=1e-4)  # type: ignore[union-attr]
    (terms["content"] + 10 * ours).backward()
    wanted = from_reference({name: p.grad for name, p in decoder.named_parameters() if p.grad is not None})
    for name, parameter in method.decoder.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-2, atol=1e-3 * wanted[name].abs().max().item())
    assert isinstance(method.decoder, Decoder)
