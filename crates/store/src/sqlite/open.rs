//! Opening the folder that a gateway lives in.

use std::fs::{DirBuilder, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use relynt_gateway::ports::{Entropy, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::SqliteStore;
use super::checkpoint::CheckpointThread;
use super::migrate::migrate;
use super::queue::Bringers;
use super::readers::{Readers, StartError};
use super::writer::Writer;
use crate::keys::Keyring;
use crate::seal::{Key, Place, SealError};

/// The first SQLite without the corruption of write-ahead logs that are reset while written to.
const OLDEST_SQLITE: i32 = 3_051_003;
const DATABASE: &str = "relynt.db";
const LOCK: &str = "lock";
/// "rlyt": what `file` and friends know the database by.
const APPLICATION_ID: i64 = 0x726c_7974;
const POINT_READERS: usize = 2;
const WALK_READERS: usize = 1;

/// Where the store is and what it needs.
pub struct OpenOptions {
    /// The folder with `relynt.db` and `lock`; made if it is not there, for its owner alone.
    pub folder: PathBuf,
    /// What wraps every other key.
    pub master_key: Zeroizing<[u8; 32]>,
    /// Where keys, salts and nonces come from.
    pub entropy: Arc<dyn Entropy>,
    /// Commands that may wait for the writer; more are [`StoreError::Overloaded`] at once.
    pub queue_limit: usize,
    /// The threads that bring commands, for a writer that lets those come along who are on their way.
    pub bringers: Arc<Bringers>,
    /// The most pages of 8 KiB that the database may have; none: what the disk has.
    pub max_pages: Option<u32>,
}

impl OpenOptions {
    /// The usual: 4,096 waiting commands, nobody who tells of the threads that bring them, any size.
    pub fn new(
        folder: impl Into<PathBuf>,
        master_key: Zeroizing<[u8; 32]>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            folder: folder.into(),
            master_key,
            entropy,
            queue_limit: 4_096,
            bringers: Bringers::new(0),
            max_pages: None,
        }
    }
}

impl std::fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenOptions")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another gateway is running on `{}`", folder.display())]
    Locked {
        /// Which.
        folder: PathBuf,
    },
    /// The master key is not the one that the store was made with.
    #[error("the master key is not the one that `{}` was made with", folder.display())]
    WrongKey {
        /// Which.
        folder: PathBuf,
    },
    /// A later version of the program has written it.
    #[error("the store has schema {found}, this program knows up to {known}: use a newer program")]
    Newer {
        /// The schema's number.
        found: i64,
        /// The last number that this program knows.
        known: i64,
    },
    /// A step of the schema is not the one that was applied.
    #[error("step {number} (`{name}`) of the schema is not the one that was applied")]
    Altered {
        /// Its number.
        number: i64,
        /// Its name.
        name: &'static str,
    },
    /// The linked SQLite can corrupt a store.
    #[error("SQLite {0} is too old: at least 3.51.3 is needed")]
    OldSqlite(&'static str),
    /// The file system does not take a write-ahead log.
    #[error("the file system of `{}` does not support a write-ahead log", folder.display())]
    NoLog {
        /// Which.
        folder: PathBuf,
    },
    /// A file or thread.
    #[error("`{}` cannot be used", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database itself.
    #[error("the database cannot be opened")]
    Sql(#[from] rusqlite::Error),
    /// Keys could not be made.
    #[error("the keys of the store cannot be made")]
    Keys(#[source] StoreError),
}

impl SqliteStore {
    /// Opens the store of a folder, or makes a new one, and starts its threads.
    ///
    /// The lock of the folder proves that no other process has it open, and with it that every
    /// execution of another incarnation is left behind.
    pub fn open(options: OpenOptions) -> Result<Arc<Self>, OpenError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(OpenError::OldSqlite(rusqlite::version()));
        }
        let OpenOptions {
            folder,
            master_key,
            entropy,
            queue_limit,
            bringers,
            max_pages,
        } = options;
        make_folder(&folder).map_err(io(&folder))?;
        let lock = lock(&folder)?;
        let path = folder.join(DATABASE);
        private_file(&path).map_err(io(&path))?;

        let connection = connect(&path)?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(OpenError::NoLog { folder });
        }
        migrate(&connection)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        let master = Key::new(master_key);
        check_master(&connection, &master, &*entropy).map_err(|wrong| match wrong {
            Wrong::Key => OpenError::WrongKey {
                folder: folder.clone(),
            },
            Wrong::Sql(error) => error.into(),
            Wrong::Seal(error) => OpenError::Keys(error.into()),
        })?;
        if let Some(pages) = max_pages {
            connection.pragma_update(None, "max_page_count", pages)?;
        }

        let (failed, watch) = watch::channel(false);
        let (checkpoint, checkpointer) = CheckpointThread::new(&path, failed.clone())?;
        let (writer, handle, stats) =
            Writer::new(connection, queue_limit, bringers, checkpointer, failed)?;
        let writer = writer.with_indexer()?;
        let start = |error| match error {
            StartError::Sql(error) => OpenError::Sql(error),
            StartError::Io(source) => OpenError::Io {
                path: path.clone(),
                source,
            },
        };
        let points = Readers::start(&path, "read", POINT_READERS).map_err(start)?;
        let walks = Readers::start(&path, "walk", WALK_READERS).map_err(start)?;
        let threads = vec![
            spawn("store-write", move || writer.run()).map_err(io(&path))?,
            spawn("store-checkpoint", move || checkpoint.run()).map_err(io(&path))?,
        ];
        Ok(Arc::new(Self {
            writer: handle,
            points,
            walks,
            keys: Keyring::new(master),
            entropy,
            stats,
            failed: watch,
            threads: Mutex::new(threads),
            lock: Mutex::new(Some(lock)),
        }))
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the file if it is not there, for its owner alone; SQLite gives the write-ahead log the
/// same permissions.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK);
    let file = private_file(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// A connection that may write.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE
        | rusqlite::OpenFlags::SQLITE_OPEN_CREATE
        | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    guard(&connection)?;
    // For a new database; an older one keeps what it has. A call's rows fill most of 4 KiB: twice
    // that is half the writes.
    connection.pragma_update(None, "page_size", 8 * 1024)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is erased is gone from the pages too.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 32 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    Ok(connection)
}

/// What every connection has.
pub(super) fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // Sorting leaves no files behind.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

enum Wrong {
    Key,
    Sql(rusqlite::Error),
    Seal(SealError),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

const CHECK: &str = "master_key_check";
const CHECK_TEXT: &[u8] = b"relynt";

/// Proves the master key by a value that was sealed with it when the store was made.
fn check_master(connection: &Connection, master: &Key, entropy: &dyn Entropy) -> Result<(), Wrong> {
    let place = Place {
        table: "meta",
        organization: None,
        row: CHECK.as_bytes(),
        field: "value",
    };
    let stored: Option<Vec<u8>> = connection
        .query_one(
            "SELECT value FROM meta WHERE name = $1",
            params![CHECK],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(stored) = stored {
        return match master.unseal(&place, &stored) {
            Ok(text) if text.as_slice() == CHECK_TEXT => Ok(()),
            Err(SealError::Cipher) => Err(Wrong::Seal(SealError::Cipher)),
            _ => Err(Wrong::Key),
        };
    }
    let sealed = master
        .seal(entropy, &place, CHECK_TEXT)
        .map_err(Wrong::Seal)?;
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ($1, $2)",
        params![CHECK, sealed],
    )?;
    Ok(())
}
