from typing import Final, final

__all__ = [
    "ENVIRONMENT",
    "VERSION",
    "Completions",
    "Core",
    "Task",
    "exiting",
    "uuid7",
    "verify_bytes",
    "verify_file",
]

ENVIRONMENT: Final[tuple[str, ...]]
VERSION: Final[str]

# (outcome, status, request_id, replayed, body, text)
_Answered = tuple[int, int, str | None, bool, bytes, str]

@final
class Core:
    def __new__(
        cls,
        base_url: str,
        agent_secret: str,
        timeout_s: float,
        max_retries: int,
        instance_id: str | None,
        environment: dict[str, str],
    ) -> Core: ...
    @property
    def base_url(self) -> str: ...
    @property
    def instance_id(self) -> str: ...
    @property
    def is_exposed(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    def close(self) -> None: ...
    def call(self, body: bytes, key: str) -> _Answered: ...
    def poll(self, approval_id: str, timeout_ms: int) -> _Answered: ...
    def submit_call(
        self, completions: Completions, token: int, body: bytes, key: str
    ) -> Task: ...
    def submit_poll(
        self, completions: Completions, token: int, approval_id: str, timeout_ms: int
    ) -> Task: ...

@final
class Completions:
    def __new__(cls) -> Completions: ...
    def fileno(self) -> int: ...
    def drain(self) -> list[tuple[int, _Answered]]: ...
    def wait(self) -> bool: ...

@final
class Task:
    def abort(self) -> None: ...

# (verdict, valid, consistent, invalid, [(line, receipt_id, reason)])
_Found = tuple[str, int, int, int, list[tuple[int | None, str | None, str]]]

def uuid7() -> str: ...
def exiting() -> None: ...
def verify_bytes(document: bytes, key_sets: list[bytes], key_ids: list[str]) -> _Found: ...
def verify_file(path: str, key_sets: list[bytes], key_ids: list[str]) -> _Found: ...
