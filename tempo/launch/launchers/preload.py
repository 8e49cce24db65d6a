"""What a fork server imports first: it never collects garbage, for what it imports stays, and no
Ctrl-C interrupts its other imports. Its forks do as any new interpreter does."""

import gc
import signal

gc.disable()

INTERRUPT = signal.signal(signal.SIGINT, signal.SIG_IGN)
"""What SIGINT did before. multiprocessing has its server ignore it only after all imports."""

# Held back since the server began, for what Python itself imports first; see `held_interrupts`.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
