"""What docs/architecture.md promises: the path of a run, layers without circles, folders, names."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tempo"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def _imports(path: Path) -> Iterator[str]:
    """The modules of the package that a module imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


GRAPH = {name: {one for one in _imports(path) if one in MODULES} for name, path in MODULES.items()}


def test_the_path_of_a_run_is_the_one_that_is_drawn() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = re.findall(r"^\s+(?:\|\s+)?(\d+) tempo/(\S+)\.py", page, re.MULTILINE)
    assert [int(number) for number, _ in drawn] == list(range(1, 11))
    path = ["tempo." + name.replace("/", ".") for _, name in drawn]
    assert all(name in MODULES for name in path)
    cli, study, expand, execution, pool, local, worker, attempt, build, document = path
    for source, target in (
        (cli, study),
        (study, execution),
        (execution, pool),
        (worker, attempt),
        (execution, build),
        (execution, document),
        (study, expand),
    ):
        assert _reaches(source, target, 2), f"{source} does not lead to {target}"
    # The pool knows launchers by their protocol; the local one is in their catalogue.
    assert local in GRAPH["tempo.launch.launchers.catalog"]
    started = MODULES["tempo.launch.worker_command"].read_text()
    assert 'MODULE = "tempo.worker"' in started and '"run", str(self.folder)' in started
    assert worker in _leads_to("tempo.worker.command")


def _leads_to(name: str) -> set[str]:
    return GRAPH[name]


def _reaches(source: str, target: str, between: int) -> bool:
    """Whether imports lead from one module to another over at most `between` others."""
    here = {source}
    for _ in range(between + 1):
        here |= {name for each in here for name in GRAPH[each]}
    return target in here


def test_no_module_imports_another_in_a_circle() -> None:
    """Tarjan's strongly connected components, of imports inside functions too."""
    circles = [group for group in _components() if len(group) > 1]
    assert circles == []


def _components() -> list[list[str]]:
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in sorted(_runtime(name)):
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            at = stack.index(name)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for name in MODULES:
        if name not in order:
            visit(name)
    return found


def _runtime(name: str) -> set[str]:
    """What a module imports when it runs: not for the types of annotations alone, and not the
    public names, which the package's own `__init__` imports on first use."""
    if name == "tempo":
        return set()
    tree = ast.parse(MODULES[name].read_text())
    typing = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for each in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing or not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        for each in node.names:
            inner = f"{node.module}.{each.name}"
            found.add(inner if inner in MODULES else node.module)
    return {each for each in found if each in MODULES and each != name}


def test_folders_are_small_and_file_names_tell_modules_apart() -> None:
    sizes = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    assert {str(folder): size for folder, size in sizes.items() if size > 20} == {}
    names: dict[str, list[str]] = defaultdict(list)
    for path in MODULES.values():
        if path.name not in {"__init__.py", "__main__.py"}:
            names[path.name].append(str(path.relative_to(PACKAGE)))
    assert {name: places for name, places in names.items() if len(places) > 2} == {}


def test_only_the_command_line_and_workers_know_of_namespaces() -> None:
    outside = [
        name
        for name, path in MODULES.items()
        if "Namespace" in path.read_text() and not name.startswith(("tempo.cli", "tempo.worker"))
    ]
    assert outside == []


def test_no_string_below_the_command_line_names_the_command_line() -> None:
    below = [
        name
        for name, path in MODULES.items()
        if "tempo.cli" in path.read_text() and not name.startswith("tempo.cli")
    ]
    assert below == []
