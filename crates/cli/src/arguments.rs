//! The command tree.

use clap::{Parser, Subcommand};

use crate::commands::{
    agents, approvals, connectors, dev, doctor, migrate, organizations, policy, receipts, serve,
    tokens, verify,
};

/// The authorization gateway for AI agents
#[derive(Debug, Parser)]
#[command(
    name = "relynt",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 no (refused, not valid, a check failed), 2 wrong usage, \
                  3 consistent but the signer is not known, 4 the gateway cannot answer"
)]
pub(crate) struct Arguments {
    /// Write JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything on this machine with nothing to set up, for development
    Dev(dev::Arguments),
    /// Serve in production
    Serve(serve::Arguments),
    /// Bring the schema of a PostgreSQL database up to date, as its owner
    Migrate(migrate::Arguments),
    /// Organizations of the store on this machine
    Organizations(organizations::Arguments),
    /// Agents and their credentials
    Agents(agents::Arguments),
    /// Policy versions: save, activate, roll back, try
    Policy(policy::Arguments),
    /// What waits for a person; alone: shows what is pending and decides
    Approvals(approvals::Arguments),
    /// The signed record of every decision
    Receipts(receipts::Arguments),
    /// Who performs allowed actions
    Connectors(connectors::Arguments),
    /// Access tokens for scripts and the command line
    Tokens(tokens::Arguments),
    /// Verify receipts and exports offline
    Verify(verify::Arguments),
    /// Check an installation, or a running gateway
    Doctor(doctor::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
