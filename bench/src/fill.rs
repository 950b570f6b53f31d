//! A store with many receipts, made by the gateway's own flow, without HTTP between

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use relynt_domain::{IdempotencyKey, ToolCallDraft};
use relynt_gateway::{Intake, Place};
use relynt_server::{Installation, InstallationOptions, MasterKey, StoreUrl};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::evaluate::bodies;
use crate::ids::{Keys, Order};
use crate::sample::Outcome;

/// What is made.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many receipts.
    pub count: u64,
    /// In which order keys come.
    pub order: Order,
    /// Calls under way at once: twice the most that the store commits together, so that one group
    /// is made while another is written.
    pub at_once: u64,
}

/// Makes denied calls in the data folder of a gateway that does not run.
pub fn run(folder: &Path, agent_secret: &str, plan: Plan) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let begin = Instant::now();
    let filled = runtime.block_on(fill(folder, agent_secret, plan))?;
    // The store's threads end with the last that holds it.
    drop(runtime);
    let seconds = begin.elapsed().as_secs_f64();
    let size = std::fs::metadata(folder.join("relynt.db"))?.len();
    Ok(json!({
        "receipts": plan.count,
        "seconds": seconds,
        "rate": plan.count as f64 / filled.as_secs_f64(),
        "cpu_us": crate::closed::own_cpu().map(|cpu| cpu / plan.count as f64 * 1e6),
        "database_bytes": size,
    }))
}

/// How long the calls took, without opening and closing the store.
async fn fill(folder: &Path, agent_secret: &str, plan: Plan) -> Result<Duration> {
    let Plan {
        count,
        order,
        at_once,
    } = plan;
    let key = std::fs::read(folder.join("master.key")).context("the folder of a `relynt dev`")?;
    let installation = Installation::open(InstallationOptions {
        bringers: relynt_store::Bringers::new(0),
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
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_once {
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
                    place: Place::unbounded(),
                };
                let caller = gateway.authenticate_agent(&secret)?;
                gateway.submit(caller, intake).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(begin.elapsed())
}
