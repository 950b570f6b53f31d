from relynt import (
    RelyntClient,
    AuthenticationError,
    RequestError,
    ApprovalTimeoutError,
    NetworkError,
)
try:
    result = client.request_action(...)
except AuthenticationError:
    # Invalid or expired agent secret (401/403)
    ...
except RequestError as e:
    # Bad request (4xx)
    print(e.status_code, e.code)
except NetworkError:
    # Gateway unreachable or timeout
    ...
