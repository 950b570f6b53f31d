//! What a signed record promises, and everything that breaks it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod form;
mod golden;
mod keys;
mod lines;
mod samples;
mod signatures;
mod tampering;
