//! Threads that read, each with a connection of its own that cannot write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use relynt_gateway::ports::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::failure::Failure;

/// How long one read transaction may last.
const MAX_READ: Duration = Duration::from_secs(1);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 2_000;
/// Reads that may wait.
const QUEUE: usize = 4_096;

type Read = Box<dyn FnOnce(&Reader) + Send>;

/// What a read has at hand.
pub(crate) struct Reader {
    connection: Connection,
    started: Instant,
    deadline: Arc<AtomicU64>,
}

impl Reader {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        super::open::guard(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        let started = Instant::now();
        let deadline = Arc::new(AtomicU64::new(u64::MAX));
        let limit = Arc::clone(&deadline);
        connection.progress_handler(
            STEPS,
            Some(move || millis(started.elapsed()) > limit.load(Ordering::Relaxed)),
        )?;
        Ok(Self {
            connection,
            started,
            deadline,
        })
    }

    /// The connection. Between two statements no transaction is open.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Gives the next statement its full time; only for reads that hold no transaction between.
    pub(crate) fn rearm(&self) {
        self.deadline
            .store(millis(self.started.elapsed() + MAX_READ), Ordering::Relaxed);
    }

    /// One consistent view for several statements.
    pub(crate) fn snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let transaction = self.connection.unchecked_transaction()?;
        read(&transaction)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Some reading threads over one queue.
pub(crate) struct Readers {
    sender: RwLock<Option<SyncSender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts `count` threads.
    pub(crate) fn start(path: &Path, name: &str, count: usize) -> Result<Self, StartError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let reader = Reader::open(path)?;
            let receiver = Arc::clone(&receiver);
            let thread = std::thread::Builder::new()
                .name(format!("store-{name}-{number}"))
                .spawn(move || work(&reader, &receiver))?;
            threads.push(thread);
        }
        Ok(Self {
            sender: RwLock::new(Some(sender)),
            threads: Mutex::new(threads),
        })
    }

    /// Runs `read` on one of the threads.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Read = Box::new(move |reader| {
            // Nobody waits any more: nothing to do.
            if answer.is_closed() {
                return;
            }
            reader.rearm();
            let result = read(reader).map_err(StoreError::from);
            let _ = answer.send(result);
        });
        let sent = match &*self.sender.read().unwrap_or_else(PoisonError::into_inner) {
            Some(sender) => sender.try_send(job),
            None => return Err(StoreError::Closed),
        };
        match sent {
            Ok(()) => answered
                .await
                .unwrap_or_else(|_| Err(StoreError::Database("a read was broken off".to_owned()))),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    /// Finishes what is queued and ends the threads.
    pub(crate) fn stop(&self) {
        drop(
            self.sender
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn work(reader: &Reader, receiver: &Mutex<Receiver<Read>>) {
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else { return };
        // The caller sees its channel closed; the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| job(reader)));
    }
}

/// A reading thread could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
