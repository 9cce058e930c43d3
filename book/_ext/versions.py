"""Put the sites of all versions side by side: the newest at ``/``, each release's at ``/vX.Y/``.

    python book/_ext/versions.py _build/html releases/ _site

The second folder holds the sites that the releases carry, ``bertlab-X.Y.Z-site.tar.gz``; of each
X.Y the last one is taken. The pages get what they couldn't know when they were built: a list of
versions in the footer, and at the top of a release's page a line that leads to the newest one. It
is all plain HTML, so a site that was built alone asks for nothing that isn't there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tarfile
from pathlib import Path

ARCHIVE = re.compile(r"bertlab-(\d+)\.(\d+)\.(\d+)-site\.tar\.gz")
# Where the theme's pages take what is put in: after the first link, and in the footer.
TOP = re.compile(r'<div id="pst-skip-link".*?</div>', re.DOTALL)
FOOTER = re.compile(r'<div class="bd-footer-content__inner[^"]*">')
BANNER = """
<aside aria-label="Version" class="d-print-none" style="padding: 0.4rem 1rem; text-align: center; \
background: var(--pst-color-surface); color: var(--pst-color-text-base)">This is the book of \
version {version}. <a href="{newest}">Go to the newest one</a></aside>"""
# Search engines should lead to the newest page where there is one.
NO_INDEX = '<meta name="robots" content="noindex" />\n</head>'


def latest(archives: list[Path]) -> dict[str, Path]:
    """Return the last archive of each X.Y, newest first.

    Raises:
        ValueError: when a file's name is not that of a release's site.
    """
    numbers = {}
    for path in archives:
        parts = ARCHIVE.fullmatch(path.name)
        if parts is None:
            raise ValueError(f"{path.name}: expected a name like bertlab-0.1.0-site.tar.gz")
        numbers[tuple(map(int, parts.groups()))] = path
    found = {}
    for (major, minor, _), path in sorted(numbers.items()):
        found[f"{major}.{minor}"] = path
    return dict(reversed(found.items()))


def footer(versions: list[str], here: str | None, up: str) -> str:
    """Return the list of versions, without a link to the one that is read.

    Args:
        versions: all released X.Y, newest first.
        here: the version of this page; None for the newest site.
        up: the way from the page to the folder that holds all versions.
    """
    places = {"newest": None, **{version: version for version in versions}}
    items = []
    for name, version in places.items():
        folder = f"v{version}/" if version else ""
        link = f'<a href="{up}/{folder}index.html">{name}</a>'
        items.append(f'<span aria-current="true">{name}</span>' if version == here else link)
    joined = " · ".join(items)
    return f'\n<nav class="footer-item" aria-label="Versions"><p>Versions: {joined}</p></nav>'


def finish(site: Path, output: Path, versions: list[str], here: str | None) -> None:
    """Write the list of versions, and for a release the way to the newest, into a site's pages."""
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # which is shown at any address, so its links can't be relative
            continue
        old = page.read_text(encoding="utf-8")
        up = os.path.relpath(output, page.parent).replace(os.sep, "/")
        lines = footer(versions, here, up)
        new = FOOTER.sub(lambda match, lines=lines: match[0] + lines, old, count=1)
        if here:
            same = output / page.relative_to(site)
            target = same if same.is_file() else output / "index.html"
            newest = os.path.relpath(target, page.parent).replace(os.sep, "/")
            banner = BANNER.format(version=here, newest=newest)
            new = TOP.sub(lambda match, banner=banner: match[0] + banner, new, count=1)
            new = new.replace("</head>", NO_INDEX, 1)
        if new != old:
            page.write_text(new, encoding="utf-8")


def assemble(newest: Path, archives: list[Path], output: Path) -> list[str]:
    """Write all versions into one new folder and return the released ones, newest first.

    Args:
        newest: the site that was just built.
        archives: the releases' sites.
        output: must not exist yet.

    Raises:
        ValueError: when an archive has another name.
        FileExistsError: when there is such a folder already.
    """
    chosen = latest(archives)
    versions = list(chosen)
    shutil.copytree(newest, output)
    finish(output, output, versions, None)  # while no other version's pages are below it
    for version, archive in chosen.items():
        with tarfile.open(archive) as tar:
            tar.extractall(output / f"v{version}", filter="data")
        finish(output / f"v{version}", output, versions, version)
    return versions


def main() -> int:
    parser = argparse.ArgumentParser(description="Put the sites of all versions side by side.")
    parser.add_argument("newest", type=Path, help="the site that was just built")
    parser.add_argument("releases", type=Path, help="a folder with the releases' sites")
    parser.add_argument("output", type=Path, help="a new folder")
    options = parser.parse_args()
    versions = assemble(
        options.newest, sorted(options.releases.glob("*.tar.gz")), options.output.resolve()
    )
    print("Versions:", ", ".join(["newest", *versions]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
