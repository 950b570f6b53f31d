//! `relynt`: the gateway, and everything that people do with it from a terminal.
//!
//! `commands` has one module per command; each parses its arguments, makes its calls through
//! [`api`] and writes through [`output`]. [`outside`] is where environment and clock are read.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod api;
mod arguments;
mod commands;
mod demo_target;
mod failure;
mod files;
mod local;
mod output;
mod outside;
mod text;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::output::Output;
use crate::outside::Outside;

/// A call allocates a few dozen times: with this one a fifth of its time is not spent there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outside = Outside::of_process();
    let exit = match Arguments::try_parse() {
        Ok(arguments) => {
            let mut output = Output::new(arguments.json, &outside);
            match commands::run(arguments.command, &outside, &mut output) {
                Ok(exit) => exit,
                Err(failure) => failure.report(),
            }
        }
        Err(error) => usage::report(&error),
    };
    ExitCode::from(exit.code())
}
