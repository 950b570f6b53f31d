//! The gateway over HTTP: router, API, configuration, background loops
