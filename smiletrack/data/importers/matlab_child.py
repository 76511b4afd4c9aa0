"""The process that reads MATLAB files for another one: SciPy's reader ends its process on some damaged files.

Run as a program by `matlab`: a pickled (file, names) on standard input is answered with a pickled (name, value), the
first of the names that the file holds, or ("", reason). Nothing of this project is imported, so that it starts fast.
"""

import pickle
import resource
import sys

from scipy.io import loadmat


def serve(memory: int) -> None:
    """Answer until standard input ends. memory: bytes; archives inside a file can stand for more than there are."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            file, names = pickle.load(questions)
        except EOFError:
            return
        pickle.dump(_answer(file, names), answers)
        answers.flush()


def _answer(file: str, names: tuple[str, ...]) -> tuple[str, object]:
    try:
        content = loadmat(file, appendmat=False, variable_names=list(names))
    except Exception as error:  # damage makes SciPy's reader raise anything
        return "", " ".join(str(error).split()) or type(error).__name__
    found = next((name for name in names if name in content), None)
    return ("", f"no variable {names[0]} in it") if found is None else (found, content[found])


if __name__ == "__main__":
    serve(int(sys.argv[1]))
