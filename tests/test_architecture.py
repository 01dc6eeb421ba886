"""The house: arrows go one way, query commands stay light, sizes stay readable."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "db": set(),
    "claims": {"db"},
    "ingest": {"db", "claims"},
    "retest": {"db", "claims"},
    "reports": {"db", "claims"},
    "reassay": {"db", "claims", "ingest", "retest", "reports"},
}
HEAVY = {"torch", "langchain", "langchain_core", "numpy", "scipy", "alembic", "matplotlib", "arxiv"}
NO_NAMES = {"utils", "common", "helpers", "types", "misc"}
MAX_FILE_LINES = 420  # aim 300; the largest are lists of one kind of thing
MAX_FUNCTION_LINES = 50  # aim 40
SOURCES = sorted(
    file
    for room in MAY_IMPORT
    for file in (ROOT / room).rglob("*.py")
    if "versions" not in file.parts
)


def imported_rooms(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add((node.module or "").split(".")[0])
    return names & set(MAY_IMPORT)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_arrows_go_one_way(file: Path) -> None:
    room = file.relative_to(ROOT).parts[0]
    assert imported_rooms(file) <= MAY_IMPORT[room] | {room}


def test_only_the_front_door_reads_the_environment() -> None:
    readers = [
        str(file.relative_to(ROOT))
        for file in SOURCES
        if any(word in file.read_text() for word in ("os.environ", "getenv", "reassay.settings"))
        and file.relative_to(ROOT).parts[0] != "reassay"
    ]
    writes_for_workers = {"retest/executors/worker.py", "retest/executors/local.py"}
    of_ray_itself = {"retest/executors/ray_cluster.py"}  # RAY_ADDRESS, as Ray documents it
    assert set(readers) <= writes_for_workers | of_ray_itself


def test_sqlmodel_tables_live_in_db_alone() -> None:
    for file in SOURCES:
        if file.relative_to(ROOT).parts[0] != "db":
            assert not re.search(r"\btable=True", file.read_text()), file  # not stable=True


def test_no_catch_all_modules() -> None:
    assert not [file for file in SOURCES if file.stem in NO_NAMES]


def test_files_and_functions_stay_readable() -> None:
    too_long = []
    for file in SOURCES:
        text = file.read_text()
        if text.count("\n") > MAX_FILE_LINES:
            too_long.append(f"{file}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    too_long.append(f"{file}:{node.lineno} {node.name}: {lines} lines")
    assert too_long == []


def test_every_module_says_what_it_decides() -> None:
    silent = [
        str(file)
        for file in SOURCES
        if file.read_text().strip() and not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


def test_command_modules_import_nothing_heavy() -> None:
    from reassay.command_table import COMMANDS, Entry

    entries = [
        e
        for group in COMMANDS.values()
        for e in (group.values() if isinstance(group, dict) else [group])
    ]
    modules = [e.target.split(":")[0] for e in entries if isinstance(e, Entry) and e.target]
    code = (
        "import sys, importlib\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert answer.stdout.strip() == "[]"


def test_the_wheel_holds_our_packages_and_the_templates(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        check=True, capture_output=True, cwd=ROOT,
    )  # fmt: skip
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == set(MAY_IMPORT)
    assert "claims/starter.txt" in names
    assert any(name.startswith("reports/_templates/") for name in names)
