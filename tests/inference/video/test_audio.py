"""The audio of a result: copied, encoded, or left out, and what is said of it before the first frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av = pytest.importorskip("av", reason="needs the extra video")

from adain.inference.video.clip import stylize_video
from tests.helpers.clips import STYLE, Copy, audio_of, begins, moving, times_of, write


def made(source: Path, ending: str, **options: Any) -> tuple[Path, list[str]]:
    out = source.parent / f"out{ending}"
    return out, stylize_video(Copy(), source, out, STYLE, **options).notes


def tone(path: Path) -> int:
    """The loudest frequency, in Hz, of the first audio track's second 0.1 to 1.1."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].codec_context.sample_rate
        resampler = av.AudioResampler("flt", "mono", rate)
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return int(np.abs(np.fft.rfft(heard[rate // 10 : rate // 10 + rate])).argmax())


@pytest.mark.parametrize(
    ("codec", "source", "result", "encoder"),
    [
        ("pcm_u8", ".avi", ".mp4", "aac"),
        ("wmav2", ".wmv", ".mp4", "aac"),
        ("wmav2", ".wmv", ".mkv", "aac"),
        ("adpcm_ms", ".avi", ".mkv", "aac"),
        ("flac", ".mkv", ".mov", "aac"),  # which FFmpeg's tables promise that mov can hold
        ("aac", ".mp4", ".webm", "opus"),
    ],
)
def test_what_the_container_cannot_hold_is_encoded_and_that_is_said(
    codec: str, source: str, result: str, encoder: str, tmp_path: Path
) -> None:
    out, notes = made(write(tmp_path / f"in{source}", moving(36), audio=codec), result)
    assert notes == [f"the audio is {codec}, which {result} cannot hold: it is encoded as {encoder}"]
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec.canonical_name == encoder
    assert abs(tone(out) - 440) <= 1
    assert abs(begins(out)[1]) < Fraction(1, 10)


@pytest.mark.parametrize(("codec", "source", "result"), [("mp2", ".ts", ".mp4"), ("ac3", ".mkv", ".mov")])
def test_what_it_can_hold_is_copied(codec: str, source: str, result: str, tmp_path: Path) -> None:
    clip = write(tmp_path / f"in{source}", moving(24), audio=codec)
    out, notes = made(clip, result)
    assert (audio_of(out), notes) == (audio_of(clip), [])


def joined(folder: Path, codecs: tuple[str, str], ending: str) -> Path:
    """A clip with two audio tracks, the second of them French."""
    clips = [write(folder / f"{codec}.mp4", moving(24), audio=codec) for codec in codecs]
    path = folder / f"both{ending}"
    with av.open(str(path), "w") as both, av.open(str(clips[0])) as one, av.open(str(clips[1])) as two:
        streams = [*one.streams, *two.streams.audio]
        copies = {id(stream): both.add_stream_from_template(stream) for stream in streams}
        copies[id(streams[-1])].metadata["language"] = "fre"
        packets = [p for p in (*one.demux(), *two.demux(two.streams.audio)) if p.dts is not None]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.stream = copies[id(packet.stream)]
            both.mux(packet)
    return path


def test_every_track_is_copied(tmp_path: Path) -> None:
    clip = joined(tmp_path, ("aac", "flac"), ".mkv")
    out, notes = made(clip, ".mkv")
    heard: list[list[list[bytes]]] = []
    for path in (clip, out):
        with av.open(str(path)) as container:
            packets = [(p.stream.index, bytes(p)) for p in container.demux(audio=(0, 1)) if p.size]
        heard.append([[content for index, content in packets if index == track] for track in (1, 2)])
    assert heard[1] == heard[0]
    assert notes == []


def test_every_track_is_kept_and_its_language(tmp_path: Path) -> None:
    out, notes = made(joined(tmp_path, ("opus", "aac"), ".mkv"), ".webm")
    assert notes == ["audio track 2 is aac, which .webm cannot hold: it is encoded as opus"]
    with av.open(str(out)) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["opus", "opus"]
        assert [stream.metadata.get("language") for stream in container.streams.audio] == [None, "fre"]


def test_a_track_that_cannot_be_decoded_is_named_and_left_out_before_the_first_frame(tmp_path: Path) -> None:
    """As the spatial audio of new phones: a second track in a codec of which FFmpeg knows only the four letters."""
    clip = joined(tmp_path, ("aac", "aac"), ".mov")
    content = bytearray(clip.read_bytes())
    second = content.rindex(b"stsd") + 16
    assert content[second : second + 4] == b"mp4a"
    content[second : second + 4] = b"qqqq"
    details = content.index(b"esds", second)
    content[details : details + 4] = b"free"
    clip.write_bytes(content)
    said: list[str] = []

    class Watching(Copy):
        def encode_style(self, style: Any, recolor: Any = None) -> Any:
            assert said  # before any work
            return super().encode_style(style)

    report = stylize_video(Watching(), clip, tmp_path / "out.mp4", STYLE, say=said.append)
    assert said == report.notes == ["audio track 2 has a codec that this FFmpeg cannot decode: it is left out"]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1


def test_audio_that_begins_late_and_ends_later_than_the_frames(tmp_path: Path) -> None:
    clip = write(tmp_path / "in.mkv", moving(48), audio="flac", late=1)
    for ending in (".mp4", ".mov"):  # copied, and encoded
        out, notes = made(clip, ending)
        assert not any("ends after" in note for note in notes)
        assert len(times_of(out)) == 48
        with av.open(str(out)) as container:
            (stream,) = container.streams.audio
            heard = [float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None]
        assert abs(min(heard) - 1) < 0.05
        assert abs(max(heard) - 3) < 0.1


def test_seconds_cut_encoded_audio_at_the_last_frame(tmp_path: Path) -> None:
    out, _ = made(write(tmp_path / "in.mkv", moving(72), audio="flac"), ".mov", seconds=1.0)
    with av.open(str(out)) as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 48000
    assert 0.9 < seconds < 1.1


def test_seconds_find_audio_that_the_file_holds_behind_the_video(tmp_path: Path) -> None:
    clip, path = write(tmp_path / "in.mp4", moving(72)), tmp_path / "behind.mp4"
    with av.open(str(clip)) as one, av.open(str(path), "w", options={"max_interleave_delta": "1"}) as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in one.streams}
        packets = sorted((p for p in one.demux() if p.size), key=lambda packet: packet.stream.index)
        for packet in packets:
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    out_path, _ = made(path, ".mkv", seconds=1.0)
    assert 45 <= len(audio_of(out_path)) <= 50


def test_damaged_audio_is_skipped_and_counted(tmp_path: Path) -> None:
    clip = write(tmp_path / "in.ts", moving(48))
    content, noise = bytearray(clip.read_bytes()), np.random.default_rng(0)
    for packet in range(40, len(content) // 188, 3):  # every third packet's payload, its address left as it is
        content[188 * packet + 20 : 188 * packet + 180] = noise.bytes(160)
    clip.write_bytes(content)
    _, notes = made(clip, ".mp4")
    assert any("damaged pieces of the audio are left out" in note for note in notes)


def test_a_rate_and_a_layout_that_the_encoder_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    with av.open(str(write(tmp_path / "video.mp4", moving(36), audio=None))) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("pcm_u8", rate=11024, layout="3.0")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        samples = np.sin(2 * np.pi * 440 * np.arange(2 * 11024) / 11024)
        piece = av.AudioFrame.from_ndarray(
            np.repeat((127 + 100 * samples).astype("u1"), 3)[None], format="u8", layout="3.0"
        )
        piece.sample_rate, piece.pts, piece.time_base = 11024, 0, Fraction(1, 11024)
        out.mux(sound.encode(piece))
        out.mux(sound.encode(None))
    for ending in (".mp4", ".webm"):
        assert abs(tone(made(path, ending)[0]) - 440) <= 1


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_joined_recordings_follow_each_other(ending: str, tmp_path: Path) -> None:
    """Two transport streams in one file, as ``cat`` makes it: the times of the second begin at the start again.

    The first has stereo, the second surround sound.
    """
    parts = [
        write(tmp_path / f"{layout}.ts", moving(48), audio="ac3", layout=layout).read_bytes()
        for layout in ("stereo", "5.1")
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    out, notes = made(tmp_path / "both.ts", ending)
    assert not any("damaged" in note for note in notes)
    times = times_of(out)
    steps = np.diff([float(time) for time in times])
    assert len(times) == 96
    assert 0.03 < steps.min() < steps.max() < 0.06
    with av.open(str(out)) as container:
        heard = [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.pts is not None]
    assert abs(max(heard) - 4) < 0.15
    assert max(np.diff(heard)) < 0.1
