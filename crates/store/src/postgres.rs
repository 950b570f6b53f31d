//! The store on a PostgreSQL database that any number of gateways may share.
//!
//! Everything that talks to the database runs on one thread of the store's own: a caller that goes
//! away takes nothing back, and no caller's runtime matters to a commit.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use relynt_domain::OrganizationId;
use relynt_gateway::ports::{Entropy, Store, StoreError, StoreGauges};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use zeroize::Zeroizing;

use crate::keys::Keyring;
use crate::seal::Key;
use crate::stats::Stats;

mod administration;
mod approvals;
mod calls;
mod changes;
mod columns;
mod core;
mod decision;
mod failure;
mod ledger;
mod migrate;
mod open;
mod outcome;
mod pool;
mod rows;
mod session;
mod sql;
mod stored_call;
mod values;
mod walk;
mod write;
mod writer;

pub use migrate::SchemaError;
pub use open::{PostgresError, PostgresOptions};

use self::core::Core;
use failure::{Failure, corrupt};
use open::{Connector, DEADLINE};
use session::Ask;
use values::{Id, get};
use writer::{Command, Writer};

/// A piece of work for the store's thread.
type Job = Box<dyn FnOnce(Rc<Core>) -> Work + Send>;
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The store on PostgreSQL. Closed when dropped.
pub struct PostgresStore {
    jobs: mpsc::UnboundedSender<Job>,
    decisions: mpsc::Sender<Command>,
    /// Room for work that is under way or waits.
    room: Arc<Semaphore>,
    keys: Keyring,
    entropy: Arc<dyn Entropy>,
    stats: Arc<Stats>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl PostgresStore {
    /// Opens the store of a database whose schema `migrate` has brought up to date.
    pub async fn open(options: PostgresOptions) -> Result<Arc<Self>, PostgresError> {
        let PostgresOptions {
            url,
            master_key,
            entropy,
            queue_limit,
            connections,
            deadline,
        } = options;
        let connector = Connector::new(&url, deadline)?;
        let stats = Arc::new(Stats::new());
        let (jobs, work) = mpsc::unbounded_channel::<Job>();
        let (decisions, waiting) = mpsc::channel(queue_limit);
        let (stop, stopped) = watch::channel(false);
        let of_writer = (connector.clone(), Arc::clone(&entropy), Arc::clone(&stats));
        let thread = start(move || async move {
            let (for_writer, entropy, stats) = of_writer;
            let of_core = Arc::clone(&stats);
            let core = Rc::new(Core::new(connector, connections, deadline, of_core));
            let writer = Writer::new(for_writer, deadline, entropy, stats);
            serve(core, writer, work, waiting, stopped).await;
        })
        .map_err(PostgresError::Thread)?;
        let store = Self {
            jobs,
            decisions,
            room: Arc::new(Semaphore::new(queue_limit)),
            keys: Keyring::new(Key::new(master_key)),
            entropy,
            stats,
            stop,
            thread: Mutex::new(Some(thread)),
        };
        store.check().await?;
        Ok(Arc::new(store))
    }

    /// Brings the schema of a database to what this program knows. The address names the owner of
    /// the database; those who log in for the application are made members of `relynt_application`
    /// and `relynt_lookup` afterwards.
    pub async fn migrate(
        url: Zeroizing<String>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(), PostgresError> {
        let connector = Connector::new(&url, DEADLINE)?;
        let (done, told) = oneshot::channel();
        let thread = start(move || async move {
            // Nobody waits any more: it is done all the same.
            let _ = done.send(migrate::migrate(&connector, &*entropy).await);
        })
        .map_err(PostgresError::Thread)?;
        let told = told.await.map_err(|_| StoreError::Closed)?;
        // It has said its last word.
        let _ = thread.join();
        told
    }

    /// Schema and master key.
    async fn check(&self) -> Result<(), PostgresError> {
        self.run(async |core| Ok(core.check_schema().await))
            .await??;
        open::check_master(self).await
    }

    /// Runs `work` on the store's thread, whatever becomes of the caller.
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(Rc<Core>) -> Result<T, Failure> + Send + 'static,
    {
        let place = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| StoreError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |core| {
            Box::pin(async move {
                let done = work(core).await;
                drop(place);
                // A caller that has gone is not told; what it asked for is done all the same.
                let _ = answer.send(done.map_err(StoreError::from));
            })
        });
        self.jobs.send(job).map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The organization's key, unwrapped.
    async fn organization_key(&self, organization: OrganizationId) -> Result<Arc<Key>, StoreError> {
        if let Some(key) = self.keys.known(organization) {
            return Ok(key);
        }
        let wrapped = self
            .run(async move |core| {
                let id = Id::from(organization.as_bytes());
                let row = core
                    .first(organization, Ask::new(sql::WRAPPED_KEY, vec![&id]))
                    .await?;
                row.map(|row| get::<Vec<u8>>(&row, 0)).transpose()
            })
            .await?
            .ok_or_else(|| StoreError::Database("there is no such organization".to_owned()))?;
        Ok(self.keys.learn(organization, &wrapped)?)
    }

    /// Ends once the store's thread has ended although nobody has closed it: the process must end
    /// and start again. A database that goes away is no reason; it is used again when it is back.
    pub async fn failed(&self) {
        self.jobs.closed().await;
        if *self.stop.borrow() {
            // Closed in good order: it will never fail.
            std::future::pending::<()>().await;
        }
    }

    /// How many groups there were of each size since the start; the index is the size.
    pub fn group_sizes(&self) -> Vec<u64> {
        self.stats.sizes()
    }

    /// Finishes what is under way and ends the thread; every later call is
    /// [`StoreError::Closed`]. Blocks meanwhile.
    pub fn close(&self) {
        self.stop.send_replace(true);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A thread that panicked has told its callers by going.
            let _ = thread.join();
        }
    }
}

/// A thread with a runtime of its own.
fn start<F>(work: impl FnOnce() -> F + Send + 'static) -> std::io::Result<JoinHandle<()>>
where
    F: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("store-postgres".to_owned())
        .spawn(move || runtime.block_on(LocalSet::new().run_until(async { work().await })))
}

/// The thread's part: until it is stopped and nothing is under way.
async fn serve(
    core: Rc<Core>,
    writer: Writer,
    mut work: mpsc::UnboundedReceiver<Job>,
    waiting: mpsc::Receiver<Command>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut decisions = tokio::task::spawn_local(writer.run(waiting, stopped.clone()));
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            // In this order: an order to stop ends the writer as well.
            biased;
            // An error means that the store is gone.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            // It ends by itself only if it panicked: the thread ends too, and the store with it.
            _ = &mut decisions => return,
            // A piece of work that panicked has told its caller by going.
            Some(_) = under_way.join_next() => {}
            job = work.recv() => match job {
                Some(job) => {
                    under_way.spawn_local(job(Rc::clone(&core)));
                }
                None => break,
            },
        }
    }
    work.close();
    while let Some(job) = work.recv().await {
        under_way.spawn_local(job(Rc::clone(&core)));
    }
    while under_way.join_next().await.is_some() {}
    // It has answered everybody, or they see it gone.
    let _ = decisions.await;
}

#[async_trait]
impl Store for PostgresStore {
    async fn check_writable(&self) -> Result<(), StoreError> {
        self.run(async |core| {
            match core
                .write(&[], async |tx| tx.execute(sql::PROBE, &[]).await)
                .await?
            {
                1 => Ok(()),
                _ => Err(corrupt("the probe's row is missing")),
            }
        })
        .await
    }

    fn gauges(&self) -> StoreGauges {
        self.stats.gauges()
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}
