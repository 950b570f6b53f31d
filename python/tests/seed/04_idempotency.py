result = client.request_action(
    action="update_deal",
    resource="crm:deal:123",
    payload={"amount": 52000},
    idempotency_key="my-unique-key-abc123",
)
