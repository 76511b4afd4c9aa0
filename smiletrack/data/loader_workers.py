"""What the processes that prepare batches have in common."""

import signal


def leave_signals_to_main(number: int) -> None:
    """Ignore Ctrl-C and SIGTERM in a loader's process (its `worker_init_fn`).

    Both reach the whole process group; the main process ends its step, saves, and then ends the workers itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
