//! The evaluation alone, in process: what more rules cost

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use relynt_json::Value;
use relynt_policy::{Policy, Request};
use serde_json::json;

use crate::sample::{Mix, Outcome, body, rules};

/// A policy of this mix, compiled.
pub fn policy(mix: Mix) -> Result<Policy> {
    let rules = relynt_json::parse(rules(mix).to_string().as_bytes())?;
    Policy::parse(&rules, &|_| false).map_err(|faults| anyhow!("the rules are refused: {faults:?}"))
}

/// Bodies of calls, parsed.
pub fn bodies(outcome: Outcome, count: usize) -> Result<Vec<Value>> {
    (0..count)
        .map(|number| {
            let text = body(outcome, number, 0, false).to_string();
            Ok(relynt_json::parse(text.as_bytes())?)
        })
        .collect()
}

/// Evaluates the sample requests for so long, and says how long one takes.
pub fn run(mix: Mix, time: Duration) -> Result<serde_json::Value> {
    let policy = policy(mix)?;
    let bodies = bodies(Outcome::Deny, 10_000)?;
    let requests: Vec<Request<'_>> = bodies
        .iter()
        .map(|body| {
            Some(Request {
                action: body.get("action")?.as_str()?,
                resource: body.get("resource")?.as_str()?,
                payload: body.get("payload"),
                agent: None,
            })
        })
        .collect::<Option<_>>()
        .context("a body")?;
    let mut best = f64::MAX;
    let mut all = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < time || all.len() < 5 {
        let started = Instant::now();
        for request in &requests {
            black_box(policy.evaluate(black_box(request)));
        }
        let nanos = started.elapsed().as_nanos() as f64 / requests.len() as f64;
        best = best.min(nanos);
        all.push(nanos);
    }
    all.sort_by(f64::total_cmp);
    Ok(json!({
        "rules": mix.rules,
        "candidates": mix.candidates,
        "nanos": all.get(all.len() / 2),
        "best_nanos": best,
        "passes": all.len(),
    }))
}
