"""What the page of a running study shows, when it is made anew, and what it never shows."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import tempo
from tempo.core.errors import TempoError
from tempo.records.seed_log import SeedLook, append_look
from tempo.workflow.live import made_apart as apart
from tempo.workflow.live import page_source
from tempo.workflow.live.made_apart import made_apart
from tempo.workflow.live.page_source import PageSource

from .conftest import SECRET_RESULT, Lab, ask


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is out of date is made anew whenever it is asked for."""
    for name in ("PAUSE", "GLANCE", "LONGEST"):
        monkeypatch.setattr(page_source, name, 0.0)


def _source(lab: Lab, **options: str) -> PageSource:
    return PageSource(lab.store, "watched", reports=lab.root / "reports", **options)


def _verdict(html: str) -> str:
    found = re.search(r'<p class="verdict">(.*?)</p>', html)
    assert found is not None
    return found[1]


def _rows(html: str) -> dict[str, list[str]]:
    """By run, the texts of its cells in the table of runs."""
    table = html.partition('id="grid-runs"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr class=\"\">(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return {row[0].replace("<wbr>", ""): row[1:] for row in cells}


@pytest.mark.slow
def test_the_page_follows_a_study_from_before_its_start_to_its_end(lab: Lab) -> None:
    source = _source(lab)
    waiting = source.page().decode()
    assert "watched has not begun in" in _verdict(waiting)
    version = source.version()
    assert source.page().decode() == waiting and f'data-version="{version}"' in waiting
    lab.begin()
    assert source.version() != version
    begun = source.page().decode()
    assert "0 of 4 runs are complete, 4 planned" in _verdict(begun)
    assert "no process carries a run out now" in _verdict(begun)
    assert "Does the page follow?" in begun and "figure-learning_curves" not in begun
    lab.train("plain s0", 10)
    lab.hold("plain s0")
    running = source.page().decode()
    assert "3 planned" in _verdict(running) and "1 running" in _verdict(running)
    assert _rows(running)["plain s0"][:3] == ["running", "10/40", "21.00"]
    lab.train("plain s0", 20)
    curves = source.page().decode()
    assert _rows(curves)["plain s0"][1:3] == ["20/40", "22.00"]
    assert "figure-learning_curves" in curves and "12 %" in curves.replace("\u2009", " ")
    for title in ("plain s0", "other s0", "plain s1", "other s1"):
        lab.train(title, 40, end="complete")
    lab.ledger.release(lab.plan.runs[0].run_id, 1)
    over = source.page().decode()
    assert "4 of 4 runs are complete. Every run has ended." in _verdict(over)
    assert 'data-over="yes"' in over and 'href="report/"' not in over
    (lab.root / "reports" / "watched").mkdir(parents=True)
    (lab.root / "reports" / "watched" / "index.html").write_text("the report")
    assert 'href="report/"' in source.page().decode()


def test_no_result_and_no_verdict_is_shown_and_no_look_is_taken(lab: Lab) -> None:
    lab.begin()
    for title in ("plain s0", "other s0", "plain s1"):
        lab.train(title, 10, 20, end="complete")
    before = {path: path.read_bytes() for path in lab.root.rglob("*") if path.is_file()}
    html = _source(lab).page().decode()
    assert f"{SECRET_RESULT:.2f}" not in html and str(SECRET_RESULT) not in html
    for word in ("equivalent", "inconclusive", "is better"):
        assert word not in html.partition("<body>")[2].partition("<script>")[0].replace(
            "equivalent within", ""
        )
    # Nothing but databases, the ledger and what is derived from records, may differ.
    after = {path: path.read_bytes() for path in lab.root.rglob("*") if path.is_file()}
    changed = {path.name.partition("-")[0] for path in after if after[path] != before.get(path)}
    assert changed <= {"ledger.db", "derived.db"}
    assert "Rule, fixed on" in html and "each look at them costs" in html


def test_failures_are_told_and_what_they_say_is_no_markup(lab: Lab) -> None:
    lab.begin()
    lab.train("plain s0", 10, end="failed")
    lab.train("other s0", 10)
    lab.hold("other s0")
    html = _source(lab).page().decode()
    assert "1 run without a result is told under Failures" in html
    assert "no &lt;b&gt;memory&lt;/b&gt; left" in html and "<b>memory</b>" not in html
    told = html.partition('<div id="failures"')[2].partition("</section>")[0]
    assert "oom at step 10" in told and "plain" in told
    # A run that goes on has not failed, whatever it lacks.
    assert "other" not in told


def test_looks_that_add_seeds_are_told(lab: Lab) -> None:
    seeds = {"from": 1, "to": 2, "by": 1}
    lab.plan = replace(lab.plan, spec={**lab.plan.spec, "seeds": seeds})
    assert lab.plan.stages is not None
    lab.begin()
    lab.train("plain s0", 10, 20, end="complete")
    source = _source(lab)
    assert "Looks that add seeds" not in source.page().decode()
    (lab.store.study_dir("watched") / "seeds").mkdir()
    append_look(
        lab.store, lab.plan, SeedLook(seeds=1, variants={}, sentence="Two contrasts are open.")
    )
    html = source.page().decode()
    assert "Looks that add seeds" in html and "Two contrasts are open." in html


def test_damage_is_a_sentence_and_passes(lab: Lab) -> None:
    lab.begin()
    folder = lab.train("plain s0", 10)
    source = _source(lab)
    assert "1 stopped" in _verdict(source.page().decode())
    events = folder / "events.jsonl"
    sound = events.read_bytes()
    events.write_bytes(sound + b"{broken}\n")
    html = source.page().decode()
    assert "1 unreadable" in _verdict(html) and "is no event" in html
    events.write_bytes(sound)
    assert "1 stopped" in _verdict(source.page().decode())
    plan = next((lab.store.study_dir("watched") / "plans").iterdir())
    content = plan.read_bytes()
    plan.write_bytes(content[:-20])
    broken = source.page().decode()
    assert "watched cannot be shown" in _verdict(broken) and "tried again" in broken
    assert f'data-version="{source.version()}"' not in broken
    plan.write_bytes(content)
    assert "1 stopped" in _verdict(source.page().decode())


def test_a_page_is_made_as_seldom_as_it_costs_much(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.begin()
    source = _source(lab)
    first = source.page()
    monkeypatch.setattr(page_source, "PAUSE", 1000.0)
    lab.train("plain s0", 10)
    second = source.page()
    assert second != first
    lab.train("plain s0", 20)
    # The newest page stands, and nobody is told to load another one.
    assert source.page() == second
    assert f'data-version="{source.version()}"'.encode() in second


def test_many_threads_ask_and_one_page_is_made(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.begin()
    source = _source(lab)
    made: list[str] = []
    make: Callable[[str], str] = source._make

    def counted(version: str) -> str:
        made.append(version)
        return make(version)

    monkeypatch.setattr(source, "_make", counted)
    threads = [threading.Thread(target=source.page) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(made) == 1


def test_a_page_of_many_runs_lists_those_that_need_a_look(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tempo.report.pages import live_page

    monkeypatch.setattr(live_page, "MANY", 3)
    lab.begin()
    lab.train("plain s0", 10, 20, end="complete")
    lab.train("plain s1", 10, end="failed")
    html = _source(lab).page().decode()
    assert [*_rows(html)] == ["plain s1"]
    assert "3 more are counted above and not listed" in html


def test_errors_and_deaths_of_the_process_that_makes_pages_are_said() -> None:
    def refuses() -> str:
        raise TempoError("the rule")

    def breaks() -> str:
        raise ValueError("a bug")

    def dies() -> str:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    assert made_apart(lambda: "text") == "text"
    with pytest.raises(TempoError, match=r"^the rule$"):
        made_apart(refuses)
    with pytest.raises(TempoError, match=r"could not be made \(ValueError: a bug\)"):
        made_apart(breaks)
    with pytest.raises(TempoError, match="without a word"):
        made_apart(dies)
    with pytest.raises(TempoError, match="not made within 0 s"):
        made_apart(lambda: str(threading.Event().wait(60)), seconds=0.2)
    assert apart.SECONDS > 60


def test_the_public_function_serves_a_page_and_says_what_is_awaited(lab: Lab) -> None:
    lab.begin()
    with pytest.raises(tempo.TempoError, match="'a/b'"):
        tempo.watch("a/b", records=lab.root / "records")
    with tempo.watch("watched", records=lab.root / "records", reports=lab.root) as page:
        assert not page.awaited and page.study in repr(page) and page.address in page._repr_html_()
        assert "0 of 4 runs are complete" in _verdict(ask(page.address).text)
    with tempo.watch("another", records=Path(lab.root / "records")) as page:
        assert page.awaited == _verdict(ask(page.address).text)
        assert "another has not begun" in page.awaited and "which holds watched" in page.awaited
