//! Rules: parse, check, compile, evaluate, explain. Pure and deterministic
