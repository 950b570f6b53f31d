//! The store on PostgreSQL, against servers that the tests start themselves.

mod commits;
mod contract;
mod isolation;
mod nodes;
mod proxy;
mod schema;
mod subset;
mod support;
