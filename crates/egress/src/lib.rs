//! Outgoing connections under the address rules: resolve, check, connect, bound
