//! The commands.

pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod connectors;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod organizations;
pub(crate) mod policy;
pub(crate) mod receipts;
pub(crate) mod serve;
pub(crate) mod tokens;
pub(crate) mod verify;

use crate::arguments::Command;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::outside::Outside;

/// Runs a command to its end.
pub(crate) fn run(
    command: Command,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Dev(arguments) => dev::run(&arguments, outside, output),
        Command::Serve(arguments) => serve::run(&arguments, outside, output),
        Command::Migrate(arguments) => migrate::run(&arguments, outside, output),
        Command::Organizations(arguments) => organizations::run(&arguments, outside, output),
        Command::Agents(arguments) => agents::run(arguments, outside, output),
        Command::Policy(arguments) => policy::run(arguments, outside, output),
        Command::Approvals(arguments) => approvals::run(arguments, outside, output),
        Command::Receipts(arguments) => receipts::run(arguments, outside, output),
        Command::Connectors(arguments) => connectors::run(arguments, outside, output),
        Command::Tokens(arguments) => tokens::run(arguments, outside, output),
        Command::Verify(arguments) => verify::run(&arguments, output),
        Command::Doctor(arguments) => doctor::run(&arguments, outside, output),
    }
}

/// Says that something without a result is done; for programs the answer as it came, or `{}`.
fn done(answer: &str, text: &str, output: &mut Output) -> Result<Exit, Failure> {
    if output.is_json() {
        let answer = answer.trim();
        output.json(if answer.is_empty() { "{}" } else { answer })?;
    } else {
        output.line(text)?;
    }
    Ok(Exit::Done)
}
