"""The testing chapter of the README, as printed: its app, its conftest and its tests, in a folder of their own."""

import re
from pathlib import Path

import pytest

from scheduler_app import testing
from scheduler_app.testing import SchedulerTestMixin, plugin
from tests.testing.test_plugin import QUIET

pytest_plugins = ["pytester"]
README = (Path(__file__).parents[2] / "README.md").read_text()
CHAPTER = README[README.index("\n## Testing with a fake clock") : README.index("\n## Running the service")]
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", CHAPTER, re.S))
TESTS = sum(text.count("def test_") for text in FILES.values())


@pytest.fixture
def printed(pytester: pytest.Pytester) -> pytest.Pytester:
    for name, text in FILES.items():
        pytester.path.joinpath(name).write_text(text)
    return pytester


@pytest.mark.slow
def test_every_test_of_the_chapter_passes_without_a_warning(printed: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    assert TESTS >= 12
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = printed.runpytest_inprocess(*QUIET, "-p", "anyio", "-k", "not trio")
    result.assert_outcomes(passed=TESTS)


@pytest.mark.slow
def test_every_test_of_the_chapter_passes_in_any_order_and_beside_others(printed: pytest.Pytester):
    result = printed.runpytest_subprocess("-n2", "-k", "not trio")
    result.assert_outcomes(passed=TESTS)


@pytest.mark.slow
@pytest.mark.postgresql
def test_the_database_of_ones_own_is_a_postgresql(pytester: pytest.Pytester, monkeypatch, postgresql):
    postgresql.execute("CREATE DATABASE shop_gw7")
    monkeypatch.setenv("TEST_DATABASE", postgresql.url("shop_{worker}"))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (snippet,) = re.findall(r"```python\n(import os\n.*?)```", CHAPTER, re.S)
    worker = "\n\n@pytest.fixture\ndef worker_id():\n    return 'gw7'\n"
    pytester.makeconftest(FILES["conftest.py"] + snippet + worker)
    for file in ("shop.py", "test_late.py"):
        pytester.path.joinpath(file).write_text(FILES[file])
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(passed=FILES["test_late.py"].count("def test_"))


def test_every_fixture_and_function_is_in_the_chapter():
    fixtures = {name for name, value in vars(plugin).items() if type(value).__name__ == "FixtureFunctionDefinition"}
    assert len(fixtures) > 10
    undocumented = [name for name in sorted({*fixtures, *testing.__all__}) if name not in CHAPTER]
    assert undocumented == []


def test_a_unittest_has_every_function_too():
    functions = {name for name in testing.__all__ if name.islower()} - {"simulated", "emptied", "manual"}
    assert [name for name in sorted(functions) if not hasattr(SchedulerTestMixin, name)] == []
