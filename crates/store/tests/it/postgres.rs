//! The store on PostgreSQL, against servers that the tests start themselves.

mod contract;
mod support;
