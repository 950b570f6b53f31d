from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway import Gateway
from target import Target
from world import Organization, first_organization, second_organization


@pytest.fixture
def new_gateway(tmp_path: Path) -> Iterator[Callable[[], Gateway]]:
    """Makes gateways that are not started yet; what still runs at the end is stopped gracefully."""
    with ExitStack() as running:
        made = iter(range(1000))

        def make() -> Gateway:
            folder = tmp_path / f"gateway-{next(made)}"
            folder.mkdir()
            return running.enter_context(Gateway(folder))

        yield make


@pytest.fixture
def gateway(new_gateway: Callable[[], Gateway]) -> Gateway:
    """A running gateway of this test alone."""
    made = new_gateway()
    made.start()
    return made


@pytest.fixture
def organization(gateway: Gateway) -> Organization:
    return first_organization(gateway)


@pytest.fixture
def two_organizations(gateway: Gateway) -> tuple[Organization, Organization]:
    """The first and a second organization of one gateway."""
    first = first_organization(gateway)
    gateway.stop()
    second = second_organization(gateway)
    gateway.start()
    return first, second


@pytest.fixture
def target() -> Iterator[Target]:
    """A counting target in a process of its own."""
    with Target() as running:
        yield running
