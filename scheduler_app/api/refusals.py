"""Why a request is refused before any use case sees it. The status of each stands in `api.errors`."""

from scheduler_app.errors import SchedulerError


class MalformedBody(SchedulerError):
    """The body is not JSON that this API reads."""

    code = "malformed_json"


class BadQuery(SchedulerError):
    """A query parameter is unknown, given twice or wrong."""

    code = "bad_query"


class BadHeader(SchedulerError):
    """A header cannot be read."""

    code = "bad_header"


class BadHost(SchedulerError):
    """The `Host` header names a host that this service is not."""

    code = "bad_host"


class WrongMediaType(SchedulerError):
    """The body is not said to be JSON."""

    code = "unsupported_media_type"


class Forbidden(SchedulerError):
    """Whoever calls may not do this."""

    code = "forbidden"


class CrossSite(SchedulerError):
    """A page of another site made a browser send this."""

    code = "cross_site"


class NoStreamLeft(SchedulerError):
    """As many streams are open, and calls wait, as this process has threads for."""

    code = "no_stream_left"


class WrongCsrfToken(SchedulerError):
    """What a signed-in browser sends to change something does not prove that it comes from a page of ours."""

    code = "csrf_token"
