//! The Rust client of the Relynt gateway
