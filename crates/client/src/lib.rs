//! The Rust client of the Relynt gateway.
//!
//! A pure half (request bytes, retries, answers: no IO, no clock, no chance) and two transports
//! that carry it out: [`Client`] on tokio and [`blocking::Client`] on plain sockets. Both speak
//! HTTP/1.1 with one keep-alive connection per concurrent call, and behave alike in every error.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use relynt_client::{ActionCall, Client, Environment, Options};
//!
//! let environment = Environment::of_process();
//! let client = Client::new(Options::from_environment(&environment)?)?;
//! let call = ActionCall::new("update_deal", "crm:deal:123")
//!     .payload(serde_json::json!({ "amount": 52_000, "previous_amount": 50_000 }));
//! let result = client.request_action(&call).await?;
//! if result.decision == "pending_approval" {
//!     let id = result.approval_id.unwrap_or_default();
//!     let approval = client.poll_approval(&id, std::time::Duration::from_secs(300)).await?;
//!     println!("{}", approval.status);
//! }
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod action;
mod answer;
mod approval;
mod asynchronous;
pub mod blocking;
mod broken;
mod call;
mod conversation;
mod credential;
mod environment;
mod error;
mod generation;
mod ids;
mod management;
mod options;
mod outside;
mod problem;
mod proxy;
mod request;
mod response;
mod retry;
mod setup;
mod target;
mod tls;

pub use action::ActionResult;
pub use answer::Answer;
pub use approval::ApprovalResult;
pub use asynchronous::{Client, Transport};
pub use broken::{Broken, BrokenKind};
pub use call::ActionCall;
pub use conversation::{ActionConversation, Conversation, Outcome, PollConversation, Step};
pub use environment::Environment;
pub use error::{Error, Refusal};
pub use generation::PerProcess;
pub use ids::{IdempotencyKey, KeyError, uuid7};
pub use management::{Management, Reply};
pub use options::{Options, OptionsError};
pub use outside::Moment;
pub use problem::Problem;
pub use setup::Setup;
