//! Opening stores.

use std::path::Path;
use std::sync::Arc;

use relynt_store::{OpenError, OpenOptions, SqliteStore};
use relynt_testkit::SeededEntropy;
use tempfile::TempDir;
use zeroize::Zeroizing;

pub(crate) const MASTER_KEY: [u8; 32] = [7; 32];

pub(crate) fn options(folder: &Path) -> OpenOptions {
    let entropy = Arc::new(SeededEntropy::new(42));
    OpenOptions::new(folder, Zeroizing::new(MASTER_KEY), entropy)
}

pub(crate) fn try_open(folder: &Path) -> Result<Arc<SqliteStore>, OpenError> {
    SqliteStore::open(options(folder))
}

/// A new store in a folder of its own.
pub(crate) fn open() -> (TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = try_open(folder.path()).unwrap();
    (folder, store)
}

/// A connection beside the store's own, as somebody with access to the file has it.
pub(crate) fn beside(folder: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(folder.join("relynt.db")).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .unwrap();
    connection
}

pub(crate) fn count(folder: &Path, sql: &str) -> i64 {
    beside(folder).query_one(sql, [], |row| row.get(0)).unwrap()
}
