"""What of a record may be mirrored."""

import pytest

from tempo.track.settled_events import Position, SupersededError, advance, pending, settled

from .conftest import Study


def steps(events: list) -> list[tuple[str, int]]:
    return [(each.event.kind, getattr(each.event, "step", 0)) for each in events]


def test_only_what_a_checkpoint_covers_is_settled(study: Study) -> None:
    run = study.write("on0").begin().train(0, 20).checkpoint(20).train(20, 32)
    events = pending(run.folder, None)
    sent = settled(events, over=False)
    assert steps(sent)[-1] == ("checkpoint", 20)
    position = advance(None, events, sent)
    assert position.step == 20
    rest = pending(run.folder, position)
    assert steps(rest) == [("train", 24), ("train", 28), ("train", 32)]
    assert settled(rest, over=False) == settled(rest, over=True) == []


def test_resuming_drops_what_it_repeats_and_settles_the_rest(study: Study) -> None:
    run = study.write("on0").begin().train(0, 20).checkpoint(20).train(20, 32)
    events = pending(run.folder, None)
    position = advance(None, events, settled(events, over=False))
    run.log.close()
    run.begin(resumed=20).train(20, 40).checkpoint(40)
    events = pending(run.folder, position)
    assert steps(settled(events, over=False)) == [
        ("attempt", 0),
        *(("train", step) for step in range(24, 41, 4)),
        ("checkpoint", 40),
    ]


@pytest.mark.parametrize(("status", "last"), [("failed", "finish"), ("stopped", "checkpoint")])
def test_a_failure_is_final_only_when_the_study_is_over(
    study: Study, status: str, last: str
) -> None:
    run = study.write("on0").begin().train(0, 20).checkpoint(20).train(20, 32).finish(status, 32)
    events = pending(run.folder, None)
    assert steps(settled(events, over=False))[-1][0] == "checkpoint"
    assert steps(settled(events, over=True))[-1][0] == last


def test_going_back_behind_what_was_mirrored_is_noticed(study: Study) -> None:
    run = study.write("on0").begin().train(0, 40).checkpoint(40)
    events = pending(run.folder, None)
    position = advance(None, events, settled(events, over=False))
    run.log.close()
    run.begin(resumed=20)
    with pytest.raises(SupersededError, match="resumed from step 20, and step 40 was mirrored"):
        pending(run.folder, position)


def test_an_interrupted_attempt_without_a_checkpoint_supersedes_nothing(study: Study) -> None:
    run = study.write("on0").begin().train(0, 20).checkpoint(20).finish("stopped", 32)
    run.begin(resumed=20).finish("stopped", 28)
    events = pending(run.folder, None)
    position = advance(None, events, settled(events, over=False))
    run.begin(resumed=20)
    assert steps(pending(run.folder, position)) == [("finish", 28), ("attempt", 0)]


def test_another_file_of_the_same_name_is_noticed(study: Study) -> None:
    run = study.write("on0").whole()
    events = pending(run.folder, None)
    position = advance(None, events, settled(events, over=False))
    assert pending(run.folder, position) == []
    (run.folder / "events.jsonl").unlink()
    study.write("on0").whole()
    with pytest.raises(SupersededError, match=r"another event|no event begins"):
        pending(run.folder, position)
    with pytest.raises(SupersededError, match="no event begins at byte 7"):
        pending(run.folder, Position(start=7, end=9, time=0.0, step=0))
