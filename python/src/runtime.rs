//! The tokio runtime of this process, made when the first asynchronous call needs it.

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use relynt_client::PerProcess;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: PerProcess<Option<Runtime>> = PerProcess::new();

/// The runtime. Its thread never takes hold of the interpreter.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    RUNTIME
        .get(build)
        .as_ref()
        .ok_or_else(|| PyRuntimeError::new_err("the background thread could not be started"))
}

fn build() -> Option<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(16)
        .thread_name("relynt")
        .enable_io()
        .enable_time()
        .build()
        .ok()
}
