//! `relynt doctor`
//!
//! Every check is a function from what was read to a [`Finding`]; reading is apart from judging,
//! so that each has a test in which it fails.

mod finding;
mod local;
mod remote;

use clap::Args;

use self::finding::{Finding, Health};
use crate::api::Gateway;
use crate::failure::{Exit, Failure};
use crate::local::Place;
use crate::output::Output;
use crate::outside::Outside;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(
    arguments: &Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    // An installation is named, a gateway, or both.
    let mut findings = Vec::new();
    let here = arguments.place.is_named(outside);
    if here {
        findings.extend(local::check(&arguments.place, outside)?);
    }
    if arguments.gateway.url.is_some() || !here {
        findings.extend(remote::check(&arguments.gateway, outside)?);
    }
    report(&findings, output)
}

fn report(findings: &[Finding], output: &mut Output) -> Result<Exit, Failure> {
    let worst = findings.iter().map(|finding| finding.health).max();
    let worst = worst.unwrap_or(Health::Fail);
    if output.is_json() {
        let checks: Vec<serde_json::Value> = findings.iter().map(Finding::to_json).collect();
        output.value(&serde_json::json!({ "status": worst.word(), "checks": checks }))?;
    } else {
        for finding in findings {
            output.line(&finding.to_line())?;
        }
    }
    Ok(match worst {
        Health::Ok | Health::Warn => Exit::Done,
        Health::Fail => Exit::No,
    })
}
