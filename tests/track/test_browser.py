"""What someone sees who opens the MLflow UI, through a headless Chromium.

With TEMPO_SCREENSHOTS=<folder> the pages are kept as pictures.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tempo.core.errors import MissingError
from tempo.records.layout import Store
from tempo.track.mlflow.client import connect
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow.short_address import forwarding
from tempo.track.mlflow.study_view import charts, home, leaderboard
from tempo.track.mlflow.ui import Views, free_port, running, serve

from .conftest import Study, make_plan

pytestmark = pytest.mark.slow
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
PATIENCE = 40_000


@pytest.fixture(scope="module")
def served_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store of a mirrored study."""
    study = Study(Store(tmp_path_factory.mktemp("ui")), make_plan())
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, {"git_commit": "c0ffee"})
    study.write_all()
    assert mirror.finish("complete"), mirror.problem
    return mirror.uri


@pytest.fixture(scope="module")
def served(served_uri: str) -> Iterator[tuple[Any, str, str]]:
    """(browser, address, experiment id) of a UI that shows a mirrored study."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    found = connect(served_uri).get_experiment_by_name("se_study")
    with running(served_uri) as (_, address), playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser, address, str(found.experiment_id)
        browser.close()


@pytest.fixture
def shown(served: tuple[Any, str, str]) -> Iterator[tuple[Any, str, str]]:
    """(page, address, experiment id); the page is new, for MLflow keeps its last view. It is so
    high that nothing waits to be scrolled to."""
    browser, address, number = served
    context = browser.new_context(viewport={"width": 1800, "height": 4600})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page, address, number
    context.close()


def visit(page: Any, url: str, name: str, *texts: str) -> None:
    """Open `url` and wait until it shows all of `texts`."""
    page.goto(url, wait_until="domcontentloaded")
    for text in texts:
        page.get_by_text(text, exact=True).first.wait_for()
    keep(page, name)


def keep(page: Any, name: str) -> None:
    folder = os.environ.get("TEMPO_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_the_list_of_experiments_tells_the_question(shown: tuple[Any, str, str]) -> None:
    page, address, _ = shown
    visit(page, f"{address}/{home()}", "experiments", "se_study", "Model training")
    page.get_by_text("Does squeeze-and-excitation help?").first.wait_for()


def test_the_runs_of_an_invocation_unfold(shown: tuple[Any, str, str]) -> None:
    page, address, number = shown
    url = f"{address}/#/experiments/{number}/runs?workflowType=machine_learning"
    visit(page, url, "folded", "se_study demo #1")
    assert page.get_by_text("se=on s0", exact=True).count() == 0
    page.locator(
        ".ag-center-cols-container button, .ag-pinned-left-cols-container button"
    ).first.click()
    for name in ("se=on s0", "se=on s1", "se=off s0", "se=off s1", "average"):
        page.get_by_text(name, exact=True).first.wait_for()
    keep(page, "unfolded")


def test_the_leaderboard_is_in_order(shown: tuple[Any, str, str]) -> None:
    page, address, number = shown
    visit(page, f"{address}/{leaderboard(number)}", "leaderboard", "se=off s1", "Sort: test/psnr")
    order = page.locator("a", has_text="se=").all_inner_texts()
    assert order == ["se=off s1", "se=on s1", "se=off s0", "se=on s0"]


def test_the_parent_run_answers_which_variant(shown: tuple[Any, str, str]) -> None:
    page, address, number = shown
    url = f"{address}/#/experiments/{number}/runs?workflowType=machine_learning"
    visit(page, url, "runs", "se_study demo #1")
    page.get_by_text("se_study demo #1", exact=True).first.click()
    page.get_by_text("32.00 ± 1.41").first.wait_for()
    page.get_by_text("c0ffee").first.wait_for()
    keep(page, "parent")


def test_the_table_has_a_column_of_psnr(shown: tuple[Any, str, str]) -> None:
    page, address, number = shown
    visit(page, f"{address}/{leaderboard(number)}", "table", "test/psnr", "val/psnr", "variant")
    first = page.locator("[role=row][row-index='0']").all_inner_texts()
    assert "33" in "\n".join(first).split()


@pytest.fixture
def forwarded(served: tuple[Any, str, str], served_uri: str) -> Iterator[tuple[Any, str]]:
    """(page as large as a laptop's, short address)."""
    browser, address, _ = served
    views = Views(connect(served_uri), "se_study")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with forwarding(views.find, int(address.rpartition(":")[2]), free_port()) as short:
        yield page, short
    context.close()


def test_the_short_address_shows_psnr_first(forwarded: tuple[Any, str]) -> None:
    """Without the assistant, which would cover a third of the window, and without costs first."""
    page, short = forwarded
    visit(page, short, "short", "se=off s1", "val/psnr", "test/psnr", "33.00")
    seen = {name: page.get_by_text(name, exact=True).first for name in ("val/psnr", "test/psnr")}
    assert all(each.bounding_box()["y"] < 700 for each in seen.values())
    assert re.search(r"cost\s*\(4\)", page.inner_text("body"))
    assert page.get_by_text("cost/macs", exact=True).count() == 0
    assert page.get_by_text("MLflow Assistant", exact=True).count() == 0
    assert "viewStateShareKey=tempo" in page.url


def test_the_short_address_leads_to_the_table(forwarded: tuple[Any, str]) -> None:
    page, short = forwarded
    visit(page, f"{short}se_study/table", "short_table", "test/psnr", "se=off s1", "33")


def test_charts_show_every_run(shown: tuple[Any, str, str]) -> None:
    page, address, number = shown
    visit(page, f"{address}/{charts(number)}", "charts", "se=off s1", "test/psnr", "val/psnr")
    for name in ("se=on s0", "se=on s1", "se=off s0", "se=off s1"):
        page.get_by_text(f"{name} (val/psnr)").first.wait_for(state="attached")


def test_pictures_stand_side_by_side_and_over_steps(shown: tuple[Any, str, str]) -> None:
    """MLflow opens a card of several steps at step 0; its slider jumps from picture to picture."""
    page, address, number = shown
    visit(page, f"{address}/{charts(number)}", "pictures", "se=off s1", "val0/prediction")
    page.locator("img[src*='test~c0~error']").first.wait_for()
    assert page.locator("img[src*='test~c0~prediction']").count() == 5
    page.wait_for_function(
        "() => document.querySelectorAll('[role=slider]:not([aria-disabled=true])').length >= 2"
    )
    sliders = [each for each in page.get_by_role("slider").all() if each.is_enabled()]
    for step in (20, 40):
        for slider in sliders:
            slider.focus()
            slider.press("ArrowRight")
        for part in ("prediction", "error"):
            pictures = page.locator(f"img[src*='val0~{part}'][src*='step%2B{step}%2B']")
            pictures.nth(3).wait_for(state="attached")
            assert pictures.count() == 4
    keep(page, "pictures_later")


def test_system_metrics_have_a_page_of_their_own(shown: tuple[Any, str, str]) -> None:
    page, address, number = shown
    visit(page, f"{address}/{leaderboard(number)}", "runs", "se=on s1")
    page.get_by_text("se=on s1", exact=True).first.click()
    page.get_by_text("System metrics", exact=True).first.click()
    page.get_by_text("system/cpu_utilization_percentage").first.wait_for()
    keep(page, "system_metrics")


def test_the_ui_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="run a study first"):
        serve(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_server_has_a_ui_of_its_own() -> None:
    said: list[str] = []
    assert serve("http://user:pw@host:5000", say=said.append) == 0
    assert said == ["MLflow: http://user:***@host:5000"]


def test_ctrl_c_ends_the_ui_and_all_it_started(empty_database: Path) -> None:
    # As in a terminal: a shell's background jobs, such as these tests may be, ignore Ctrl-C.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from tempo.track.mlflow.ui import serve; sys.exit(serve(sys.argv[1]))"
    )
    command = [sys.executable, "-u", "-c", code, f"sqlite:///{empty_database}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ui:
        try:
            assert ui.stdout is not None
            assert ui.stdout.readline().startswith("MLflow: http://127.0.0.1:")
            assert "leads to the charts of a study" in ui.stdout.readline()
            started = psutil.Process(ui.pid).children(recursive=True)
            assert started
            ui.send_signal(signal.SIGINT)
            assert ui.communicate(timeout=60) == ("MLflow UI stopped.\n", None)
            assert ui.returncode == 0
        finally:
            ui.terminate()
    assert psutil.wait_procs(started, timeout=10)[1] == []
