"""The files that pages link to: compressed for who takes that, the same for who does not."""

import gzip
import re

from tests.dashboard.conftest import Browser


def test_a_file_is_the_same_compressed_or_not(browser: Browser) -> None:
    found = re.search(r'href="(/assets/[0-9a-f]+/dashboard\.css)"', browser.get("/jobs"))
    assert found is not None

    plain = browser.client.get(found[1])
    small = browser.client.get(found[1], headers={"Accept-Encoding": "br, gzip"})

    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data
    assert len(small.data) * 3 < len(plain.data)
    assert {answer.headers["Vary"] for answer in (plain, small)} == {"Accept-Encoding"}


def test_who_refuses_compression_is_not_sent_any(browser: Browser) -> None:
    found = re.search(r'href="(/assets/[0-9a-f]+/dashboard\.css)"', browser.get("/jobs"))
    assert found is not None
    answer = browser.client.get(found[1], headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "Content-Encoding" not in answer.headers
