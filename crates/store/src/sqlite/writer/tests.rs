use std::sync::atomic::AtomicU32;
use std::task::Poll;
use std::thread::JoinHandle;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use rusqlite::ffi;
use tempfile::TempDir;

use super::*;
use crate::sqlite::checkpoint::CheckpointThread;

/// A writer that has not started yet, so that a test says what waits for it.
struct Bench {
    writer: Option<Writer>,
    handle: Arc<WriterHandle>,
    stats: Arc<Stats>,
    failed: watch::Receiver<bool>,
    _checkpoint: CheckpointThread,
    _folder: TempDir,
}

fn bench(limit: usize) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let connection = crate::sqlite::open::connect(&path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    connection
        .execute_batch("CREATE TABLE t (x INTEGER NOT NULL UNIQUE, b BLOB) STRICT")
        .unwrap();
    let (failed, watch) = watch::channel(false);
    let (checkpoint, checkpointer) = CheckpointThread::new(&path, failed.clone()).unwrap();
    let (writer, handle, stats) =
        Writer::new(connection, limit, Bringers::new(0), checkpointer, failed).unwrap();
    Bench {
        writer: Some(writer),
        handle: Arc::new(handle),
        stats,
        failed: watch,
        _checkpoint: checkpoint,
        _folder: folder,
    }
}

impl Bench {
    fn start(&mut self) -> JoinHandle<()> {
        let writer = self.writer.take().unwrap();
        std::thread::spawn(move || writer.run())
    }

    fn run(&self, sql: String) -> BoxFuture<'static, Result<(), StoreError>> {
        let handle = Arc::clone(&self.handle);
        async move { handle.submit(move |tx| Ok(tx.execute_batch(&sql)?)).await }.boxed()
    }

    fn insert(&self, x: i64) -> BoxFuture<'static, Result<(), StoreError>> {
        self.run(format!("INSERT INTO t (x) VALUES ({x})"))
    }

    async fn count(&self) -> i64 {
        self.handle
            .submit(|tx| Ok(tx.query_one("SELECT count(*) FROM t", [], |row| row.get(0))?))
            .await
            .unwrap()
    }
}

/// Puts each command into the queue.
async fn queue<T>(commands: &mut [BoxFuture<'static, T>]) {
    for command in commands {
        let polled = std::future::poll_fn(|cx| Poll::Ready(command.poll_unpin(cx))).await;
        assert!(polled.is_pending());
    }
}

#[tokio::test]
async fn whatever_waits_is_one_group() {
    let mut bench = bench(1_000);
    let mut commands: Vec<_> = (0..10).map(|x| bench.insert(x)).collect();
    queue(&mut commands).await;
    assert_eq!(bench.stats.gauges().queue_depth, 10);
    let thread = bench.start();
    for done in join_all(commands).await {
        done.unwrap();
    }
    assert_eq!(bench.stats.sizes()[10], 1);
    let gauges = bench.stats.gauges();
    assert_eq!(
        (gauges.groups, gauges.commands, gauges.queue_depth),
        (1, 10, 0)
    );
    bench.handle.stop();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_group_has_its_bounds() {
    let mut bench = bench(1_000);
    let mut commands: Vec<_> = (0..600).map(|x| bench.insert(x)).collect();
    queue(&mut commands).await;
    let thread = bench.start();
    for done in join_all(commands).await {
        done.unwrap();
    }
    assert!(bench.stats.gauges().groups >= 3);
    assert_eq!(bench.count().await, 600);
    bench.handle.stop();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_poisoned_command_falls_alone() {
    let mut bench = bench(1_000);
    let mut commands: Vec<_> = (0..10).map(|x| bench.insert(x)).collect();
    commands.insert(5, bench.insert(3));
    let handle = Arc::clone(&bench.handle);
    let panics = async move {
        handle
            .submit(|_| -> Result<(), Failure> { panic!("this command is broken") })
            .await
    };
    commands.insert(8, panics.boxed());
    queue(&mut commands).await;
    let thread = bench.start();
    let done = join_all(commands).await;
    for (place, done) in done.iter().enumerate() {
        assert_eq!(done.is_err(), place == 5 || place == 8, "{place}: {done:?}");
    }
    assert_eq!(bench.count().await, 10);
    bench.handle.stop();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let bench = bench(2);
    let mut commands = [bench.insert(1), bench.insert(2)];
    queue(&mut commands).await;
    assert!(matches!(bench.insert(3).await, Err(StoreError::Overloaded)));
    assert_eq!(bench.stats.gauges().queue_depth, 2);
}

#[tokio::test]
async fn a_caller_that_leaves_takes_nothing_back() {
    let mut bench = bench(10);
    let mut commands = [bench.insert(1)];
    queue(&mut commands).await;
    drop(commands);
    let thread = bench.start();
    assert_eq!(bench.count().await, 1);
    bench.handle.stop();
    thread.join().unwrap();
}

#[tokio::test]
async fn what_is_queued_is_finished_before_the_end() {
    let mut bench = bench(10);
    let mut commands: Vec<_> = (0..5).map(|x| bench.insert(x)).collect();
    queue(&mut commands).await;
    bench.handle.stop();
    let mut after = [bench.insert(9)];
    queue(&mut after).await;
    let [after] = after;
    bench.start().join().unwrap();
    for done in join_all(commands).await {
        done.unwrap();
    }
    after.await.unwrap();
    assert!(matches!(bench.insert(10).await, Err(StoreError::Closed)));
}

static SYNCS: AtomicU32 = AtomicU32::new(0);

fn failing_sync(tx: &Tx<'_>) -> Result<(), Failure> {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    tx.execute_batch("ROLLBACK")?;
    Err(Failure::Sql(rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_IOERR_FSYNC),
        None,
    )))
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_answered_or_tried_again() {
    let mut bench = bench(10);
    bench.writer.as_mut().unwrap().groups.commit = failing_sync;
    let mut commands: Vec<_> = (0..3).map(|x| bench.insert(x)).collect();
    queue(&mut commands).await;
    assert!(!*bench.failed.borrow());
    bench.start().join().unwrap();
    for done in join_all(commands).await {
        assert!(matches!(done, Err(StoreError::Closed)), "{done:?}");
    }
    assert!(*bench.failed.borrow());
    assert_eq!(SYNCS.load(Ordering::Relaxed), 1);
    assert!(matches!(bench.insert(9).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_failed_checkpoint_sync_stops_the_writer_too() {
    let mut bench = bench(10);
    bench
        .writer
        .as_mut()
        .unwrap()
        .groups
        .failed
        .send_replace(true);
    let mut commands = [bench.insert(1)];
    queue(&mut commands).await;
    let [command] = commands;
    bench.start().join().unwrap();
    assert!(matches!(command.await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_full_disk_is_told_and_gone_when_there_is_room() {
    let mut bench = bench(100);
    let thread = bench.start();
    let pages: i64 = bench
        .handle
        .submit(|tx| Ok(tx.query_one("PRAGMA page_count", [], |row| row.get(0))?))
        .await
        .unwrap();
    let limit = |pages: i64| bench.run(format!("PRAGMA max_page_count = {pages}"));
    limit(pages + 3).await.unwrap();
    let big = |x| {
        bench.run(format!(
            "INSERT INTO t (x, b) VALUES ({x}, zeroblob(40000))"
        ))
    };
    for x in 0..3 {
        let done = big(x).await;
        assert!(matches!(done, Err(StoreError::Unwritable(_))), "{done:?}");
    }
    // What is small still fits, and falls with nobody.
    bench.insert(7).await.unwrap();
    limit(pages + 1_000).await.unwrap();
    big(1).await.unwrap();
    assert_eq!(bench.count().await, 2);
    bench.handle.stop();
    thread.join().unwrap();
}

#[test]
fn sqlite_knows_a_sync_failure_by_its_extended_code() {
    let error = ffi::Error::new(ffi::SQLITE_IOERR_FSYNC);
    assert_eq!(error.code, ErrorCode::SystemIoFailure);
    assert_eq!(error.extended_code, ffi::SQLITE_IOERR_FSYNC);
}
