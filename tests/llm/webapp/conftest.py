"""What the tests share: each product running once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from macrohard.llm.builtin.blueprint import Blueprint

from .blueprints import BOOKINGS, EXPENSES, INVENTORY, LIBRARY, TODO, VISITORS
from .running import Running, running

Products = Callable[[Blueprint], Running]


@pytest.fixture(scope="package")
def products(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Products]:
    """Each product once, with empty data whenever it is asked for."""
    with ExitStack() as stack:
        started: dict[str, Running] = {}

        def product(blueprint: Blueprint) -> Running:
            if blueprint.slug not in started:
                folder = tmp_path_factory.mktemp(blueprint.slug)
                started[blueprint.slug] = stack.enter_context(running(blueprint, folder))
            started[blueprint.slug].empty()
            return started[blueprint.slug]

        yield product


@pytest.fixture
def todo(products: Products) -> Running:
    return products(TODO)


@pytest.fixture
def library(products: Products) -> Running:
    return products(LIBRARY)


@pytest.fixture
def inventory(products: Products) -> Running:
    return products(INVENTORY)


@pytest.fixture
def visitors(products: Products) -> Running:
    return products(VISITORS)


@pytest.fixture
def bookings(products: Products) -> Running:
    return products(BOOKINGS)


@pytest.fixture
def expenses(products: Products) -> Running:
    return products(EXPENSES)


def books_and_pupils(library: Running, *, books: int = 1, pupils: int = 1) -> None:
    numbers = ["9780306406157", "9783522202558", "9780261103283", "9780142410370", "9780394820378", "9780141341934"]
    for place in range(books):
        library.post("/books/new", title=f"Book {place + 1}", author="Someone", isbn13=numbers[place])
    for place in range(pupils):
        library.post("/pupils/new", {"name": f"Pupil {place + 1}", "class": "7b", "active": "yes"})
