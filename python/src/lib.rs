//! The Rust core of the Python package `relynt`.
//!
//! It hands over fields, not text and not exceptions: JSON crosses as bytes, results and errors
//! are built in Python.

mod completions;
mod core;
mod exit;
mod runtime;
mod verify;

use pyo3::prelude::*;

/// What Python sees as `relynt._native`.
#[pymodule]
mod _native {
    use super::{PyResult, Python};
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use super::completions::Completions;
    #[pymodule_export]
    use super::core::{Core, Task};
    #[pymodule_export]
    use super::verify::{verify_bytes, verify_file};

    /// A fresh UUID of version 7.
    #[pyfunction]
    fn uuid7() -> String {
        relynt_client::uuid7()
    }

    /// Called when the interpreter begins to exit.
    #[pyfunction]
    fn exiting(py: Python<'_>) {
        crate::exit::begin(py);
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let names = PyTuple::new(module.py(), relynt_client::Environment::NAMES)?;
        module.add("ENVIRONMENT", names)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
