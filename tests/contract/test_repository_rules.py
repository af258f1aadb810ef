"""Rules of the repository that the linters cannot say: read from the source, without importing it."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"servicekit", "gateway", "kizuna_local", "kizuna_demo"}
DATABASE_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(\s*\)"
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)


def source_files(pattern: str) -> list[Path]:
    """Files of the repository that match, installed packages and generated files left out."""
    return sorted(path for folder in ("libs", "services", "gateway") for path in (ROOT / folder).rglob(pattern))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def literal_strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """String constants, docstrings left out."""
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def places_that_ask_the_database_for_the_time(source: str) -> list[int]:
    """Line numbers in Python source: SQL text with now() and its kin, and SQLAlchemy's func.now()."""
    tree = ast.parse(source)
    lines = [node.lineno for node in literal_strings(tree) if DATABASE_CLOCK.search(str(node.value))]
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    of_func = [node for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "func"]
    return lines + [node.lineno for node in of_func if DATABASE_CLOCK.search(f"{node.attr}()")]


def test_contracts_import_pydantic_and_the_standard_library_only() -> None:
    allowed = {"contracts", "pydantic", *sys.stdlib_module_names}
    files = source_files("src/contracts/**/*.py")
    assert files
    strangers = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in files
        for module in imported_modules(path)
        if module.split(".")[0] not in allowed
    }
    assert strangers == set()


def test_rules_import_nothing_of_ours_but_contracts() -> None:
    """Rules are pure: a service's rules know no other part of the service, so they can be read and tested alone."""
    trespasses = set()
    for path in [*source_files("src/*_service/rules.py"), *source_files("src/*_service/rules/**/*.py")]:
        service = next(part for part in path.parts if part.endswith("_service"))
        for module in imported_modules(path):
            package = module.split(".")[0]
            inside_rules = module.startswith(f"{service}.rules")
            if (package in OURS or package.endswith("_service")) and not inside_rules:
                trespasses.add(f"{path.relative_to(ROOT)}: {module}")
    assert trespasses == set()


def test_no_statement_asks_the_database_for_the_time() -> None:
    asking = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in source_files("*.sql")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if DATABASE_CLOCK.search(line.split("--")[0])
    ]
    for path in source_files("*.py"):
        if "tests" in path.relative_to(ROOT).parts:
            continue
        numbers = places_that_ask_the_database_for_the_time(path.read_text(encoding="utf-8"))
        asking.extend(f"{path.relative_to(ROOT)}:{number}" for number in numbers)
    assert asking == []


@pytest.mark.parametrize(
    "source",
    [
        'STATEMENT = "SELECT now()"',
        'STATEMENT = f"INSERT INTO a VALUES ({x}, NOW ( ))"',
        'sa.Column(server_default=sa.text("CURRENT_TIMESTAMP"))',
        "column = func.now()",
    ],
)
def test_the_search_for_database_clocks_finds_them(source: str) -> None:
    assert places_that_ask_the_database_for_the_time(source) == [1]


def test_the_search_for_database_clocks_leaves_prose_alone() -> None:
    assert places_that_ask_the_database_for_the_time('"""Never now()."""\nknow = "you know it ()"\n') == []
