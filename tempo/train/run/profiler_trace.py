"""Write a profiler trace of a few steps, for chrome://tracing or Perfetto."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from tempo.records.events import Noted
from tempo.records.files import of_attempt


class StepProfiler:
    """Records the steps `first` to `last` (counted from 1) of an attempt; None records nothing."""

    def __init__(self, span: tuple[int, int] | None, folder: Path, attempt: int) -> None:
        self._span, self._folder, self._attempt = span, folder, attempt
        self._profile: profile | None = None

    def before(self, step: int) -> None:
        """Start profiling if `step`, which is about to start, is the first one."""
        if self._span is not None and self._profile is None and step == self._span[0]:
            activities = [ProfilerActivity.CPU]
            if torch.cuda.is_available():
                activities.append(ProfilerActivity.CUDA)
            self._profile = profile(activities=activities)
            self._profile.start()

    def after(self, step: int) -> Noted | None:
        """End profiling if `step` was the last one; return a note that names the trace."""
        if self._span is None or self._profile is None or step < self._span[1]:
            return None
        self._profile.stop()
        path = of_attempt(Path("profile") / f"steps-{self._span[0]}-{step}.json", self._attempt)
        (self._folder / path).parent.mkdir(exist_ok=True)
        self._profile.export_chrome_trace(str(self._folder / path))
        self._profile, self._span = None, None
        return Noted(step=step, topic="profile", message="profiler trace", path=str(path))
