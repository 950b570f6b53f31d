//! `hot-path WHAT COUNT`: the hot path in process, so many times, for a counter of instructions.

use anyhow::Result;
use clap::Parser;
use relynt_bench::hot_path::{Way, run};

#[derive(Debug, Parser)]
#[command(about = "The hot path in process, so many times")]
struct Arguments {
    /// What is done
    #[arg(value_enum)]
    what: Way,
    /// How often, at most 2,000 times
    count: usize,
    /// A folder that does not exist; it is removed at the end
    folder: std::path::PathBuf,
}

fn main() -> Result<()> {
    let Arguments {
        what,
        count,
        folder,
    } = Arguments::parse();
    let done = run(what, count, &folder);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    done
}
