"""What many tests share: where the real data is, and a run in which nothing may be skipped."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
NO_SKIPS = "CAPTUM_LCA_NO_SKIPS"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get(NO_SKIPS):
        reporter.write_line(f"{len(skipped)} tests were skipped, but {NO_SKIPS} is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def treebanks():
    """Folder of the real treebanks."""
    folder = SHARED / "data" / "ud"
    if not folder.is_dir():
        pytest.skip(f"no treebanks: {folder} is not there")
    return folder
