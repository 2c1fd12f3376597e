"""The page that shows the API, offline: Swagger UI from the flask-openapi-swagger wheel, and the document itself.

Only the three files named here are served, so that nothing a request names is opened. No script stands in the page,
so that its Content-Security-Policy needs no exception for scripts; Swagger UI styles its elements inline.
"""

import json
from pathlib import Path
from typing import cast

import flask_openapi_swagger  # type: ignore[import-untyped]
from flask import Blueprint, Response, current_app, g, request, send_file, url_for
from flask_openapi.openapi import OpenAPI
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from scheduler_app.api.contract import context
from scheduler_app.api.document import with_tasks
from scheduler_app.services.tasks import list_tasks

pages = Blueprint("docs", __name__)

WHEEL = Path(flask_openapi_swagger.__file__).parent / "templates" / "swagger"
FILES = {
    "swagger-ui.css": WHEEL / "css" / "swagger-ui.css",
    "swagger-ui-bundle.js": WHEEL / "js" / "swagger-ui-bundle.js",
    "swagger.svg": WHEEL / "images" / "swagger.svg",
}
CACHED = {"Cache-Control": "max-age=3600"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API of scheduler_app</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{style}">
</head>
<body>
<div id="swagger-ui" data-document="{document}"></div>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
""")
START = """"use strict";
const place = document.getElementById("swagger-ui");
window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
"""


@pages.get("/docs", strict_slashes=False)
def page() -> Response:
    """Show the API."""
    html = PAGE.format(
        icon=url_for("docs.file", name="swagger.svg"),
        style=url_for("docs.file", name="swagger-ui.css"),
        bundle=url_for("docs.file", name="swagger-ui-bundle.js"),
        start=url_for("docs.file", name="start.js"),
        document=url_for("docs.document"),
    )
    return Response(html, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


@pages.get("/docs/<name>")
def file(name: str) -> Response:
    """Serve one of the files of the page."""
    if name == "start.js":
        return Response(START, mimetype="text/javascript", headers=CACHED)
    if name not in FILES:
        raise NotFound
    response = send_file(FILES[name], max_age=3600)
    response.headers.update(CACHED)
    return response


@pages.get("/api/v1/openapi.json")
def document() -> Response:
    """Tell the OpenAPI document; its server is where this app is mounted, and who has a key is told the tasks too."""
    told = cast("OpenAPI", current_app).api_doc
    if "key" in g:
        told = with_tasks(told, list_tasks(ctx=context()))
    content = json.dumps(told | {"servers": [{"url": request.script_root or "/"}]})
    return Response(content, mimetype="application/json", headers={"Vary": "Authorization, Cookie"})
