"""The assets of others that a page needs, from npm, for a site that asks nobody but itself.

    python book/_ext/offline_assets.py     install them and print where they are

``package.json`` beside this file names the packages, ``package-lock.json`` holds their sums. They
are installed below ``_build`` and never committed. Without them the pages take MathJax and
bertviz's libraries from CDNs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "_build" / "npm"

# What a page may load, and where it finds it on the site, below _static.
MATHJAX = "vendor/mathjax/tex-mml-chtml.js"
FROM_CDN = {  # bertviz asks for these; require.js adds the .js to the last two
    "https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js": "vendor/require.js",
    "https://cdnjs.cloudflare.com/ajax/libs/d3/5.7.0/d3.min": "vendor/d3.min",
    "https://cdnjs.cloudflare.com/ajax/libs/jquery/2.0.0/jquery.min": "vendor/jquery.min",
}
# From a package to the site. MathJax loads its parts when a formula needs them; English is the only
# language of its speech.
COPIES = {
    "mathjax/es5/tex-mml-chtml.js": MATHJAX,
    "mathjax/es5/input": "vendor/mathjax/input",
    "mathjax/es5/output/chtml": "vendor/mathjax/output/chtml",
    "mathjax/es5/ui": "vendor/mathjax/ui",
    "mathjax/es5/a11y": "vendor/mathjax/a11y",
    "mathjax/es5/sre/mathmaps/base.json": "vendor/mathjax/sre/mathmaps/base.json",
    "mathjax/es5/sre/mathmaps/en.json": "vendor/mathjax/sre/mathmaps/en.json",
    "requirejs/require.js": "vendor/require.js",
    "d3/dist/d3.min.js": "vendor/d3.min.js",
    "jquery/dist/jquery.min.js": "vendor/jquery.min.js",
}


class NoAssetsError(Exception):
    """npm isn't there, or couldn't install the packages. Says which, in a line."""


def install() -> Path:
    """Return the folder ``node_modules`` with the packages, installed if they aren't there yet.

    Raises:
        NoAssetsError: without npm, or when it fails.
    """
    npm = shutil.which("npm")
    lock = (HERE / "package-lock.json").read_bytes()
    ready = FOLDER / hashlib.sha256(lock).hexdigest()[:12]
    if not (ready / "node_modules").is_dir():
        if npm is None:
            raise NoAssetsError("npm is not on the PATH (it comes with Node.js)")
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as name:
            folder = Path(name) / "packages"
            folder.mkdir()
            for file in ("package.json", "package-lock.json"):
                shutil.copy(HERE / file, folder)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            result = subprocess.run(
                command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace"
            )
            if result.returncode:
                words = result.stderr.strip().splitlines() or ["no message"]
                raise NoAssetsError(f"npm could not install the packages: {words[0]}")
            if not ready.exists():  # another process may have been faster
                os.rename(folder, ready)
    return ready / "node_modules"


def static_folder() -> Path:
    """Return a folder for Sphinx's ``html_static_path`` that holds just what pages may load.

    Raises:
        NoAssetsError: as ``install``.
    """
    packages = install()
    target = packages.parent / "static"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=FOLDER) as name:
            folder = Path(name) / "static"
            for source, place in COPIES.items():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                if (packages / source).is_dir():
                    shutil.copytree(packages / source, folder / place)
                else:
                    shutil.copy(packages / source, folder / place)
            if not target.exists():
                os.rename(folder, target)
    return target


def localised(page: str, to_root: str) -> str:
    """Return a page's HTML with the CDN's addresses replaced by the site's own.

    Args:
        page: the HTML.
        to_root: the relative path from the page's folder to the site's first, such as ``..``.
    """
    for address, place in FROM_CDN.items():
        page = page.replace(address, f"{to_root}/_static/{place}")
    return page


if __name__ == "__main__":
    try:
        print(install())
    except NoAssetsError as error:
        sys.exit(f"Nothing installed: {error}.")
