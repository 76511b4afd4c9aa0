"""Processes that others start, and that must not outlive them."""

import multiprocessing
import os
import signal
import threading
import time


def leave_with_parent(grace_s: float = 30.0) -> None:
    """Let this process, which `multiprocessing` started, end when its parent is gone, even by a kill.

    It gets a SIGTERM then, which it may heed for `grace_s` seconds. Without this, a pool's processes would wait for
    work for ever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is the main process"

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
