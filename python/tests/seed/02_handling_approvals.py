if result.decision == "pending_approval":
    approval = client.poll_approval(
        approval_id=result.approval_id,
        timeout_ms=300_000, # 5 minutes
    )
    print(approval.status) # "approved" | "denied" | "expired"
    print(approval.decided_by) # e.g. "slack:U12345"
