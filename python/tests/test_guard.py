"""Functions that run only if the gateway allows it."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import connect
from fake_gateway import (
    APPROVAL,
    FakeGateway,
    Reply,
    after,
    approval,
    decision,
    problem,
)
from relynt import (
    ActionDenied,
    ActionResult,
    AlreadyExecuted,
    ApprovalPending,
    ApprovalTimeoutError,
    AuthenticationError,
    NetworkError,
    RelyntClient,
    RelyntError,
    RequestError,
)

Act = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def guarded(request: pytest.FixtureRequest) -> Callable[..., tuple[Act, list[dict[str, Any]]]]:
    """A guarded function, called in one of the two ways, and the calls that went through."""

    def build(client: RelyntClient, **options: Any) -> tuple[Act, list[dict[str, Any]]]:
        ran: list[dict[str, Any]] = []
        options = {"resource": "crm:deal:1", **options}
        if request.param == "sync":

            @client.guard("update_deal", **options)
            def act(deal: str, amount: Any = 1, *rest: Any, **more: Any) -> str:
                ran.append({"deal": deal, "amount": amount, "rest": rest, "more": more})
                return f"did {deal}"

            return act, ran

        @client.guard("update_deal", **options)
        async def async_act(deal: str, amount: Any = 1, *rest: Any, **more: Any) -> str:
            ran.append({"deal": deal, "amount": amount, "rest": rest, "more": more})
            return f"did {deal}"

        return (lambda *args, **kwargs: asyncio.run(async_act(*args, **kwargs))), ran

    return build


def test_allowed_function_runs_and_returns(fake: FakeGateway, guarded: Any) -> None:
    act, ran = guarded(connect(fake))
    assert act("d-1", amount=7) == "did d-1"
    assert ran == [{"deal": "d-1", "amount": 7, "rest": (), "more": {}}]
    body = fake.requests[0].json()
    assert (body["action"], body["resource"]) == ("update_deal", "crm:deal:1")
    assert body["payload"] == {"deal": "d-1", "amount": 7, "rest": []}


def test_payload_is_the_bound_arguments(fake: FakeGateway, guarded: Any) -> None:
    act, _ = guarded(connect(fake))
    act("d-1", 2, 3, 4, note="x")
    assert fake.requests[0].json()["payload"] == {
        "deal": "d-1",
        "amount": 2,
        "rest": [3, 4],
        "note": "x",
    }


def test_resource_and_payload_may_be_functions_of_the_arguments(
    fake: FakeGateway, guarded: Any
) -> None:
    act, ran = guarded(
        connect(fake),
        resource=lambda deal, *_, **__: f"crm:deal:{deal}",
        payload=lambda deal, amount, *_, **__: {"amount": amount * 2},
    )
    act("d-9", 21)
    body = fake.requests[0].json()
    assert (body["resource"], body["payload"]) == ("crm:deal:d-9", {"amount": 42})
    assert ran[0]["amount"] == 21


def test_fixed_payload_is_sent(fake: FakeGateway, guarded: Any) -> None:
    act, _ = guarded(connect(fake), payload={"a": 1})
    act("d", object())
    assert fake.requests[0].json()["payload"] == {"a": 1}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (decision("deny"), ActionDenied),
        (decision("maybe"), ActionDenied),
        (decision("Allow"), ActionDenied),
        (decision("allow", valid_until="2001-01-01T00:00:00.000Z"), ActionDenied),
        (decision("allow", valid_until="soon"), ActionDenied),
        (decision("allow", valid_until="2999-01-01T00:00:00"), ActionDenied),
        (decision("allow", performed_by=None), ActionDenied),
        (decision("allow", performed_by="somebody"), ActionDenied),
        (decision("allow", performed_by="gateway", tool_response={"a": 1}), AlreadyExecuted),
        (decision("pending_approval"), ApprovalPending),
        (problem(401, "unauthorized"), AuthenticationError),
        (problem(422, "policy_error"), RequestError),
        (problem(502, "connector_error"), RequestError),
    ],
)
def test_function_does_not_run_otherwise(
    fake: FakeGateway, guarded: Any, reply: Reply, error: type[RelyntError]
) -> None:
    fake.say(reply)
    act, ran = guarded(connect(fake))
    with pytest.raises(error) as caught:
        act("d")
    assert ran == []
    assert len(fake.requests) == 1
    if isinstance(caught.value, (ActionDenied, AlreadyExecuted)):
        assert isinstance(caught.value.result, ActionResult)
        again = pickle.loads(pickle.dumps(caught.value))
        assert again.result == caught.value.result


def test_network_trouble_does_not_run_it(fake: FakeGateway, guarded: Any) -> None:
    fake.stop()
    act, ran = guarded(connect(fake, max_retries=0))
    with pytest.raises(NetworkError):
        act("d")
    assert ran == []


def test_pending_without_waiting_names_the_approval(fake: FakeGateway, guarded: Any) -> None:
    fake.say(decision("pending_approval"))
    act, _ = guarded(connect(fake))
    with pytest.raises(ApprovalPending) as caught:
        act("d")
    assert caught.value.approval_id == APPROVAL
    assert isinstance(caught.value, ActionDenied)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (approval("approved"), None),
        (approval("approved", performed_by="gateway"), AlreadyExecuted),
        (approval("approved", performed_by=None), ActionDenied),
        (approval("approved", valid_until="2001-01-01T00:00:00.000Z"), ActionDenied),
        (approval("denied"), ActionDenied),
        (approval("expired"), ActionDenied),
        (approval("cancelled", blocked_by="policy"), ActionDenied),
        (approval("allow"), ActionDenied),
        (
            approval("approved", execution={"status": "failed"}, performed_by="gateway"),
            RequestError,
        ),
        (problem(404, "not_found"), RequestError),
    ],
)
def test_waiting_guard_obeys_the_person(
    fake: FakeGateway, guarded: Any, reply: Reply, error: type[RelyntError] | None
) -> None:
    fake.say(decision("pending_approval"), reply)
    act, ran = guarded(connect(fake), wait=True)
    if error is None:
        assert act("d") == "did d"
        assert len(ran) == 1
    else:
        with pytest.raises(error):
            act("d")
        assert ran == []
    assert fake.requests[1].path.startswith(f"/v1/approvals/{APPROVAL}?wait_ms=")


def test_waiting_guard_gives_up_in_time(fake: FakeGateway, guarded: Any) -> None:
    fake.say(decision("pending_approval"))
    fake.default = approval("pending")
    act, ran = guarded(connect(fake), wait=True, timeout_ms=200)
    with pytest.raises(ApprovalTimeoutError):
        act("d")
    assert ran == []


def test_function_gets_what_was_asked_for_even_if_it_changed_since(
    fake: FakeGateway, guarded: Any
) -> None:
    decided = threading.Event()
    fake.say(decision("pending_approval"), after(decided, approval("approved")))
    act, ran = guarded(connect(fake), wait=True)
    amount = {"eur": [1]}
    thread = threading.Thread(target=act, args=("d", amount))
    thread.start()
    fake.wait_for_requests(2)
    amount["eur"].append(1_000_000)
    decided.set()
    thread.join()
    assert fake.requests[0].json()["payload"]["amount"] == {"eur": [1]}
    assert ran[0]["amount"] == {"eur": [1]}


def test_function_cannot_change_what_the_payload_builder_saw(
    fake: FakeGateway, guarded: Any
) -> None:
    amount = [1]
    seen: list[Any] = []

    def build(deal: str, amount: list[int], *_: Any, **__: Any) -> dict[str, int]:
        seen.append(amount)
        return {"n": 1}

    act, ran = guarded(connect(fake), payload=build)
    act("d", amount)
    assert seen[0] == amount and seen[0] is not amount
    assert ran[0]["amount"] is seen[0]


def test_arguments_that_cannot_be_copied_or_said_are_refused(
    fake: FakeGateway, guarded: Any
) -> None:
    act, ran = guarded(connect(fake))
    with pytest.raises(TypeError, match="amount"):
        act("d", threading.Lock())
    with pytest.raises(TypeError, match=r"payload\.amount"):
        act("d", object())
    assert (ran, fake.connections) == ([], 0)


def test_handle_is_passed_on_where_the_payload_is_built_apart(
    fake: FakeGateway, guarded: Any
) -> None:
    lock = threading.Lock()
    act, ran = guarded(connect(fake), payload={"a": 1})
    act("d", lock)
    assert ran[0]["amount"] is lock


def test_wrong_arguments_are_not_asked_for(fake: FakeGateway, guarded: Any) -> None:
    act, _ = guarded(connect(fake))
    with pytest.raises(TypeError):
        act()
    with pytest.raises(TypeError, match="deal"):
        act("d", deal="other")
    assert fake.connections == 0


def test_methods_are_guarded_without_their_object(fake: FakeGateway) -> None:
    client = connect(fake)

    class Crm:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        @client.guard("update_deal", lambda self, deal: f"crm:deal:{deal}")
        def update(self, deal: str) -> tuple[Crm, str]:
            return self, deal

    crm = Crm()
    assert crm.update("d") == (crm, "d")
    body = fake.requests[0].json()
    assert (body["resource"], body["payload"]) == ("crm:deal:d", {"deal": "d"})


def test_name_and_documentation_stay(fake: FakeGateway) -> None:
    @connect(fake).guard("a", "r")
    def act(value: int) -> int:
        """Doc."""
        return value

    assert (act.__name__, act.__doc__) == ("act", "Doc.")
    assert act(3) == 3


def test_generators_cannot_be_guarded(fake: FakeGateway) -> None:
    client = connect(fake)
    with pytest.raises(TypeError, match="generator"):

        @client.guard("a", "r")
        def act() -> Any:
            yield 1

    with pytest.raises(TypeError, match="generator"):

        @client.guard("a", "r")
        async def async_act() -> Any:
            yield 1
