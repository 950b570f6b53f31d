//! Strict JSON reader, canonical writer (RFC 8785) and decimals
