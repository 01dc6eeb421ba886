"""4x4 Sudoku with 6 to 10 blanks and one solution.

A problem is the 16 cells row by row, 0 for a blank; an answer is the 16 digits. Families:
clues (given digits kept), rows, columns and boxes (each digit once).
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from retest.lab.item_seeds import open_stream
from retest.lab.tasks.constraints import Instances, Numbers, Verdicts, find_nearest

NAME = "sudoku"
LARGEST = 4
CELLS = 16
BLANKS = (6, 11)
BLOCK = 4096
ROWS = np.arange(CELLS).reshape(4, 4)
COLUMNS = ROWS.T
BOXES = ROWS.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)


@cache
def list_grids() -> Numbers:
    """All 288 full grids."""
    grids: list[Numbers] = []

    def fill(grid: NDArray[np.int64], cell: int) -> None:
        if cell == CELLS:
            grids.append(grid.copy())
            return
        for digit in list_options(grid, cell):
            grid[cell] = digit
            fill(grid, cell + 1)
            grid[cell] = 0

    fill(np.zeros(CELLS, dtype=np.int64), 0)
    return np.stack(grids)


def list_options(grid: NDArray[np.int64], cell: int) -> list[int]:
    """Digits that no neighbour of the cell holds."""
    groups = (*ROWS, *COLUMNS, *BOXES)
    taken = {int(digit) for group in groups if cell in group for digit in grid[group]}
    return [digit for digit in (1, 2, 3, 4) if digit not in taken]


def draw_instances(seed: int, purpose: str, count: int) -> Instances:
    """Problems with one solution, of the seed's stream for this purpose."""
    problems: list[Numbers] = []
    answers: list[Numbers] = []
    block = 0
    while sum(map(len, problems)) < count:
        stream = open_stream(f"sudoku/{purpose}", seed, block)
        grids = list_grids()[stream.integers(len(list_grids()), size=BLOCK)]
        order = stream.permuted(np.broadcast_to(np.arange(CELLS), (BLOCK, CELLS)), axis=1)
        blanks = stream.integers(*BLANKS, size=(BLOCK, 1))
        drawn = np.where(order < blanks, 0, grids)
        is_unique = count_solutions(drawn) == 1
        problems.append(drawn[is_unique])
        answers.append(grids[is_unique])
        block += 1
    return Instances(np.concatenate(problems), np.concatenate(answers)).first(count)


def count_solutions(problems: Numbers) -> NDArray[np.int64]:
    """How many full grids agree with each problem's clues."""
    hits = np.zeros((len(problems), len(list_grids())), dtype=np.int64)
    for digit in (1, 2, 3, 4):
        hits += (problems == digit).astype(np.int64) @ (list_grids() == digit).T.astype(np.int64)
    clues = (problems > 0).sum(axis=1, keepdims=True)
    solutions: NDArray[np.int64] = np.equal(hits, clues).sum(axis=1)
    return solutions


def check(problems: Numbers, answers: Numbers) -> Verdicts:
    """Which clues are kept, and which rows, columns and boxes hold each digit once."""
    is_readable = (answers >= 0).all(axis=1, keepdims=True)
    met = {"clues": (problems == 0) | (problems == answers)}
    for family, groups in (("rows", ROWS), ("columns", COLUMNS), ("boxes", BOXES)):
        met[family] = (np.sort(answers[:, groups], axis=2) == [1, 2, 3, 4]).all(axis=2)
    return {family: is_met & is_readable for family, is_met in met.items()}


def solve(problem: NDArray[np.int64]) -> NDArray[np.int64]:
    """The solution by backtracking from the clues, the cell with fewest options first."""
    grid = problem.copy()

    def fill() -> bool:
        blanks = np.flatnonzero(grid == 0)
        if not len(blanks):
            return True
        options, cell = min((list_options(grid, cell), cell) for cell in blanks.tolist())
        for digit in options:
            grid[cell] = digit
            if fill():
                return True
        grid[cell] = 0
        return False

    fill()
    return grid


def corrupt(answers: Numbers) -> Numbers:
    """Each answer with its first digit replaced by the next."""
    faulty = answers.copy()
    faulty[:, 0] = faulty[:, 0] % 4 + 1
    return faulty


def guess(problems: Numbers, training: Instances, seed: int) -> Mapping[str, Numbers]:
    """Blanks filled with one digit, by each cell's commonest, by the nearest problem, at random."""
    stream = open_stream("sudoku/guess", seed)
    counts = np.stack([(training.answers == digit).sum(axis=0) for digit in (1, 2, 3, 4)])
    fillings = {
        "N0": np.full_like(problems, 1 + counts.sum(axis=1).argmax()),
        "N1": np.broadcast_to(1 + counts.argmax(axis=0), problems.shape),
        "N2": find_nearest(problems, training),
        "N3": stream.integers(1, 5, size=problems.shape),
    }
    return {name: np.where(problems > 0, problems, filling) for name, filling in fillings.items()}
