"""The layers of the package: arrows point down, siblings do not know each other, nothing is imported in hiding."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "smiletrack"
LAYER = {
    **{module.stem: 0 for module in PACKAGE.glob("*.py")},
    **dict.fromkeys(("motion", "metrics"), 1),
    **dict.fromkeys(("data", "detector", "slm", "tracking"), 2),
    **dict.fromkeys(("training", "view"), 3),
    "engine": 4,
    "__main__": 5,
}
WITH_TORCH = {"weights", "runtime_twin", "image_tensors", "input_probe", "device_graphs"}
WITHOUT_TORCH = {"tracking", "motion", "metrics", "view", *(part for part in LAYER if LAYER[part] == 0)} - WITH_TORCH
MODULES = sorted(PACKAGE.rglob("*.py"))


def part(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.append(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "LazyModule":
            names += [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_arrows_point_down(module: Path) -> None:
    here = part(module)
    if here == "__init__":
        return
    for name in imported(ast.parse(module.read_text())):
        package, *rest = name.split(".")
        if package == "torch" or package == "torchvision":
            assert here not in WITHOUT_TORCH, f"{module} imports torch"
        if package != "smiletrack":
            continue
        assert rest, "modules import modules, not the package root"
        there = rest[0]
        lower = LAYER[there] < LAYER[here]
        same = there == here or (LAYER[here] == LAYER[there] == 0)
        assert lower or same, f"{here} imports {there}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_no_import_hides_in_a_function(module: Path) -> None:
    if part(module) == "__init__":
        return
    for function in ast.walk(ast.parse(module.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert not imported(function), f"{module}: {function.name} imports"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_no_import_hides_in_a_call(module: Path) -> None:
    """`LazyModule` names what it loads, so the other tests see it; nothing else loads modules by name."""
    allowed = module.relative_to(PACKAGE).as_posix() in ("lazy.py", "__init__.py")
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        assert allowed or name not in ("import_module", "__import__"), f"{module} imports in hiding"
    made_up = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    assert allowed or not made_up, f"{module} makes names up"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_only_the_console_talks(module: Path) -> None:
    """What reaches a terminal has been through `console`: nothing else prints or knows the library that draws bars."""
    if module == PACKAGE / "console.py":
        return
    tree = ast.parse(module.read_text())
    assert not [name for name in imported(tree) if name.split(".")[0] == "rich"]
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [f for f in called if isinstance(f, ast.Name) and f.id == "print"], f"{module} prints"


def test_public_names_mean_one_thing() -> None:
    """No two modules define the same public class or function."""
    homes: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(module.relative_to(PACKAGE)))
    assert not {name: where for name, where in homes.items() if len(where) > 1}


def test_no_cycles() -> None:
    """Depth-first search over module imports meets no module that is still open."""
    graph = {}
    for module in MODULES:
        name = ".".join(("smiletrack", *module.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {n for n in imported(ast.parse(module.read_text())) if n.startswith("smiletrack.")}
    graph.pop("smiletrack")  # the root names what it offers; nothing below imports it
    state: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != "open", " -> ".join((*path, name))
        if name in state or name not in graph:
            return
        state[name] = "open"
        for other in graph[name]:
            visit(other, (*path, name))
        state[name] = "done"

    for name in graph:
        visit(name, ())


def test_no_vague_names() -> None:
    vague = {"utils", "util", "misc", "common", "helpers"}
    assert not [m for m in MODULES if m.stem in vague or vague & set(m.parent.parts)]
