//! A store with many receipts, made by the gateway's own flow, without HTTP between

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use relynt_domain::{IdempotencyKey, ToolCallDraft};
use relynt_gateway::Intake;
use relynt_server::{Installation, InstallationOptions, MasterKey, StoreUrl};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::evaluate::bodies;
use crate::ids::{Keys, Order};
use crate::sample::Outcome;

/// How many calls are under way at once: groups of this size are what the store commits.
const AT_ONCE: u64 = 512;

/// Makes `count` denied calls in the data folder of a gateway that does not run.
pub fn run(folder: &Path, agent_secret: &str, count: u64, order: Order) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let begin = Instant::now();
    runtime.block_on(fill(folder, agent_secret, count, order))?;
    // The store's threads end with the last that holds it.
    drop(runtime);
    let seconds = begin.elapsed().as_secs_f64();
    let size = std::fs::metadata(folder.join("relynt.db"))?.len();
    Ok(json!({
        "receipts": count,
        "seconds": seconds,
        "rate": count as f64 / seconds,
        "database_bytes": size,
    }))
}

async fn fill(folder: &Path, agent_secret: &str, count: u64, order: Order) -> Result<()> {
    let key = std::fs::read(folder.join("master.key")).context("the folder of a `relynt dev`")?;
    let installation = Installation::open(InstallationOptions {
        store: StoreUrl::Sqlite(folder.to_owned()),
        master_key: Zeroizing::new(*MasterKey::from_bytes(&key)?.expose()),
        connector_allow: String::new(),
        plain_http: true,
        own_listeners: Vec::new(),
    })
    .await?;
    let gateway = Arc::clone(&installation.gateway);
    let bodies = Arc::new(bodies(Outcome::Deny, 10_000)?);
    let taken = Arc::new(AtomicU64::new(0));
    let keys = Arc::new(std::sync::Mutex::new(Keys::new(order)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (gateway, bodies, taken, keys) = (
            Arc::clone(&gateway),
            Arc::clone(&bodies),
            Arc::clone(&taken),
            Arc::clone(&keys),
        );
        let secret = agent_secret.to_owned();
        tasks.spawn(async move {
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                let body = bodies
                    .get(number as usize % bodies.len())
                    .context("a body")?;
                let draft = ToolCallDraft::from_body(body.clone())
                    .map_err(|faults| anyhow::anyhow!("the body is refused: {faults:?}"))?;
                let mut key = [0; 36];
                keys.lock()
                    .map_err(|_| anyhow::anyhow!("a task panicked"))?
                    .write(&mut key);
                let intake = Intake {
                    instance_id: draft.instance_id.clone().context("an instance")?,
                    draft,
                    key: IdempotencyKey::new(&key).map_err(anyhow::Error::msg)?,
                    request_id: format!("fill-{number}"),
                    traceparent: None,
                };
                let caller = gateway.authenticate_agent(&secret)?;
                gateway.submit(caller, intake).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
