//! The thread that writes the log, and the queue before it

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait to be written.
const MOST: usize = 1024 * 1024;
/// Bytes that are not collected any longer.
const ENOUGH: usize = 64 * 1024;
/// How long a line may wait for others to be written with it.
const COLLECT: Duration = Duration::from_millis(5);

/// Lines that wait for the thread that writes them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// The writer waits here for lines.
    lines: Condvar,
    /// Others wait here for room, or for a line to be written.
    written: Condvar,
    /// How many bytes may wait.
    most: usize,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// The writer has nothing to do.
    idle: bool,
    /// A line is there that others are not collected for.
    urgent: bool,
    /// Bytes that were ever put in, and that were ever written.
    queued: u64,
    written: u64,
    ended: bool,
}

/// Writes what waits, and ends the thread, when it is dropped. Lines that come later are written
/// by whoever has them.
pub(crate) struct Guard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<(Self, Guard)> {
        Self::bounded(sink, MOST)
    }

    fn bounded(sink: impl Write + Send + 'static, most: usize) -> io::Result<(Self, Guard)> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            lines: Condvar::new(),
            written: Condvar::new(),
            most,
        });
        let writing = Arc::clone(&shared);
        let thread = Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.write_to(sink))?;
        let guard = Guard {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        Ok((Self(shared), guard))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a line in the queue; waits for room.
    fn put(&self, line: &[u8], level: Level) {
        let mut state = self.lock();
        // A line that is longer than the whole queue has it for itself.
        while !state.ended
            && !state.waiting.is_empty()
            && state.waiting.len() + line.len() > self.most
        {
            state = wait(&self.written, state);
        }
        if state.ended {
            drop(state);
            // Nobody can be told that standard error is gone.
            drop(io::stderr().write_all(line));
            return;
        }
        state.waiting.extend_from_slice(line);
        state.queued += line.len() as u64;
        let mine = state.queued;
        state.urgent |= level <= Level::WARN || state.waiting.len() >= ENOUGH;
        if state.idle || state.urgent {
            state.idle = false;
            self.lines.notify_one();
        }
        // An error may be the last thing that the process says.
        while level == Level::ERROR && state.written < mine && !state.ended {
            state = wait(&self.written, state);
        }
    }

    fn write_to(&self, mut sink: impl Write) {
        let mut lines = Vec::new();
        let mut state = self.lock();
        loop {
            while state.waiting.is_empty() && !state.ended {
                state.idle = true;
                state = wait(&self.lines, state);
            }
            state.idle = false;
            if state.waiting.is_empty() {
                return;
            }
            if !state.urgent && !state.ended {
                let collected = self
                    .lines
                    .wait_timeout_while(state, COLLECT, |state| !state.urgent && !state.ended);
                state = collected.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.urgent = false;
            std::mem::swap(&mut state.waiting, &mut lines);
            // Whoever waits for room has it now.
            self.written.notify_all();
            drop(state);
            // Nobody can be told that standard error is gone.
            drop(sink.write_all(&lines).and_then(|()| sink.flush()));
            state = self.lock();
            state.written += lines.len() as u64;
            lines.clear();
            lines.shrink_to(2 * ENOUGH);
            self.written.notify_all();
        }
    }
}

fn wait<'a>(on: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    on.wait(state).unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.lines.notify_all();
        self.shared.written.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was told by the hook; there is nobody else to tell.
            drop(thread.join());
        }
    }
}

/// One line on its way into the queue.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    level: Level,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.put(line, self.level);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            shared: &self.0,
            level: Level::INFO,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line {
            shared: &self.0,
            level: *metadata.level(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing::Level;

    use super::Queue;

    /// Keeps what is written; each write waits until the test lets it, if it wants to.
    struct Sink {
        kept: Arc<Mutex<Vec<u8>>>,
        gate: Option<Receiver<()>>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(gate) = &self.gate {
                gate.recv().map_err(io::Error::other)?;
            }
            self.kept.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink() -> (Sink, Arc<Mutex<Vec<u8>>>) {
        let kept = Arc::default();
        let sink = Sink {
            kept: Arc::clone(&kept),
            gate: None,
        };
        (sink, kept)
    }

    fn held() -> (Sink, Arc<Mutex<Vec<u8>>>, Sender<()>) {
        let (mut sink, kept) = sink();
        let (go, gate) = channel();
        sink.gate = Some(gate);
        (sink, kept, go)
    }

    #[test]
    fn no_line_is_lost_and_none_is_torn_when_many_threads_write() {
        let (sink, kept) = sink();
        // A small queue, so that writers have to wait.
        let (queue, guard) = Queue::bounded(sink, 256).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let queue = queue.clone();
                scope.spawn(move || {
                    for number in 0..500 {
                        let line = format!("{thread} {number}\n");
                        queue.0.put(line.as_bytes(), Level::INFO);
                    }
                });
            }
        });
        drop(guard);
        let kept = kept.lock().unwrap();
        let text = std::str::from_utf8(&kept).unwrap();
        let mut next = [0; 8];
        for line in text.lines() {
            let (thread, number) = line.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(number, next[thread].to_string(), "in order");
            next[thread] += 1;
        }
        assert_eq!(next, [500; 8]);
    }

    #[test]
    fn an_error_is_written_before_its_thread_goes_on() {
        let (sink, kept) = sink();
        let (queue, _guard) = Queue::start(sink).unwrap();
        queue.0.put(b"info\n", Level::INFO);
        queue.0.put(b"error\n", Level::ERROR);
        assert_eq!(*kept.lock().unwrap(), b"info\nerror\n");
    }

    #[test]
    fn a_full_queue_holds_its_writers_back_and_a_longer_line_passes() {
        let (sink, kept, go) = held();
        let (queue, guard) = Queue::bounded(sink, 10).unwrap();
        queue.0.put(&[b'a'; 20], Level::WARN);
        // The thread has taken that one before there is room for these.
        queue.0.put(&[b'b'; 8], Level::WARN);
        let (done, ended) = channel();
        let late = queue.clone();
        let writer = std::thread::spawn(move || {
            late.0.put(&[b'c'; 8], Level::INFO);
            done.send(()).unwrap();
        });
        assert!(ended.recv_timeout(Duration::from_millis(20)).is_err());
        for _ in 0..3 {
            go.send(()).unwrap();
        }
        ended.recv_timeout(Duration::from_secs(30)).unwrap();
        writer.join().unwrap();
        drop(guard);
        assert_eq!(kept.lock().unwrap().len(), 36);
    }

    #[test]
    fn what_waits_is_written_when_the_guard_goes() {
        let (sink, kept) = sink();
        let (queue, guard) = Queue::start(sink).unwrap();
        for _ in 0..100 {
            queue.0.put(b"line\n", Level::INFO);
        }
        drop(guard);
        assert_eq!(kept.lock().unwrap().len(), 500);
        // Nobody waits for a thread that has ended.
        queue.0.put(b"", Level::ERROR);
    }
}
