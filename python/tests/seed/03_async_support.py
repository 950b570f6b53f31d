import asyncio
from relynt import RelyntClient
client = RelyntClient(
    base_url="https://your-relynt-instance",
    agent_secret=os.environ["RELYNT_AGENT_SECRET"],
)
async def main():
    result = await client.async_request_action(
        action="update_deal",
        resource="crm:deal:123",
        payload={"amount": 52000},
    )
    print(result.decision)
asyncio.run(main())
