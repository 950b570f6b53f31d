//! The store on PostgreSQL, against servers that the tests start themselves.

mod commits;
mod contract;
mod proxy;
mod support;
