//! Outgoing connections under the address rules: resolve, check, connect, bound.
//!
//! Whatever an organization can name as a target goes out through [`Egress::exchange`]: the name is
//! resolved once, every address that it resolves to is checked ([`AddressRules`]), the connection is
//! made to a checked address itself, and the caller learns exactly whether a byte of its request may
//! have left. No redirect is followed and no proxy is read from the environment.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod address;
mod connect;
mod exchange;
mod gate;
mod line;
mod origin;
mod resolve;
mod rules;
mod tls;

pub use address::Range;
pub use connect::Fault;
pub use exchange::{Answer, BodyEnd, Egress, Exchange, Report};
pub use gate::{Hold, Sent};
pub use origin::{Host, Origin, OriginFault, PlainHttp, Scheme};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use rules::{AddressRefused, AddressRules, RuleFault};
pub use tls::{Roots, RootsFault};
