import os
from relynt import RelyntClient
client = RelyntClient(
    base_url=os.environ["RELYNT_API_BASE_URL"],
    agent_secret=os.environ["RELYNT_AGENT_SECRET"],
)
result = client.request_action(
    action="update_deal",
    resource="crm:deal:123",
    payload={
        "amount": 52000,
        "previous_amount": 50000,
    },
)
print(result.decision) # "allow" | "deny" | "pending_approval"
print(result.receipt_id)
