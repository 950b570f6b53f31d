//! Connectors: routes, secrets, deadlines, outcomes
