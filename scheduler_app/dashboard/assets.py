"""The stylesheet, the scripts and the icon: files of this folder only, cached by what they contain.

They are sent compressed to who takes that; the pages are not, since what they say could be guessed from their size.
"""

import gzip
import hashlib
from pathlib import Path

from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import NotFound

FOLDER = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
COMPRESSED = {name: gzip.compress(data, mtime=0) for name, data in FILES.items()}
# one digest for all: a module that imports another one by a relative path gets the one it was written with
DIGEST = hashlib.sha256(b"".join(name.encode() + data for name, data in FILES.items())).hexdigest()[:12]
FOR_GOOD = "public, max-age=31536000, immutable"


def register(pages: Blueprint) -> None:
    """Serve the files, and let templates link to them."""
    pages.add_url_rule("/assets/<digest>/<name>", "send_asset", send_asset)
    pages.add_app_template_global(asset, "asset")


def send_asset(digest: str, name: str) -> Response:
    """Send one of the files; only what the present pages link to is kept by browsers for good."""
    if name not in FILES:
        raise NotFound
    headers = {"Cache-Control": FOR_GOOD if digest == DIGEST else "no-cache", "Vary": "Accept-Encoding"}
    content = FILES[name]
    if request.accept_encodings["gzip"]:
        content, headers["Content-Encoding"] = COMPRESSED[name], "gzip"
    return Response(content, content_type=f"{TYPES[Path(name).suffix]}; charset=utf-8", headers=headers)


def asset(name: str) -> str:
    """Return the address of a file."""
    return url_for("pages.send_asset", digest=DIGEST, name=name)
