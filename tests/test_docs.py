"""The README and the pages: what they point at is there, and what they tell the reader to type can be typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text())


def anchors(page: Path) -> set[str]:
    """Its headings as GitHub links to them."""
    titles = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not link.startswith("http"):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"`((?:src|tests|conf|docs|[a-z]+)/[\w./]+\.(?:py|yaml|toml|md))`", page.read_text()):
        assert (ROOT / name).exists() or (ROOT / "src/adain" / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_commands_exist(page: Path) -> None:
    for command in re.findall(r"(?m)^ *(make .*)$|`(make [^`]*)`", page.read_text()):
        words = "".join(command).split("  #")[0]
        assert words.split()[1].strip(".,") in {*TARGETS, "..."} or words.split()[1].startswith("--"), words


SOURCES = [ROOT / "Makefile", *sorted(ROOT.glob("conf/**/*.yaml")), *sorted(ROOT.glob("src/adain/**/*.py"))]


def unquoted(text: str) -> list[str]:
    """Return the values in a text's commands that zsh would take for a pattern: lists, functions, globs."""
    wrong = []
    for command in re.findall(rf"\b(?:make |adain-)(?:{'|'.join(TARGETS)})\b[^`\n]*", text):
        words = re.sub(r"'[^']*'|\"[^\"]*\"", "", command.split("  #")[0].split(" : ")[0]).split()
        # a word in brackets may be left out: [alpha=0..1]
        wrong += [word for word in words if re.match(r"[+~]*[\w./@]+=[^|]*[\[(*?]", word)]
    return wrong


@pytest.mark.parametrize("page", [*PAGES, *SOURCES], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_zsh_takes_for_a_pattern_is_quoted(page: Path) -> None:
    assert unquoted(page.read_text()) == []


def test_a_pattern_without_quotes_is_found() -> None:
    assert unquoted("`make stylize 'styles=[a]' [alpha=0..1] weights=[1]` weights=[2]") == ["weights=[1]"]
    assert unquoted("make sweep optimizer.lr=tag(x,y)\nadain-stylize content=*.jpg") == [
        "optimizer.lr=tag(x,y)",
        "content=*.jpg",
    ]


def test_the_readme_shows_every_command() -> None:
    readme = PAGES[0].read_text()
    assert [target for target in TARGETS if f"make {target}" not in readme] == []
