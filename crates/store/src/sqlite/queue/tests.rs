use std::sync::mpsc;
use std::thread;

use super::*;

const LONG: Duration = Duration::from_hours(1);

fn queue(limit: usize, bringers: &Arc<Bringers>) -> Arc<Queue<u32>> {
    Queue::new(limit, Arc::clone(bringers))
}

fn taken(queue: &Queue<u32>) -> Vec<u32> {
    let mut to = VecDeque::new();
    queue.take(&mut to, usize::MAX);
    to.into()
}

/// Waits on a thread of its own; how it ended comes through the channel.
fn waiting(queue: &Arc<Queue<u32>>, patience: Duration) -> mpsc::Receiver<Waited> {
    let (sender, receiver) = mpsc::channel();
    let queue = Arc::clone(queue);
    thread::spawn(move || sender.send(queue.wait(None, patience)));
    receiver
}

fn until(mut met: impl FnMut() -> bool) {
    while !met() {
        thread::yield_now();
    }
}

#[test]
fn what_waits_comes_out_in_order_and_at_most_so_much() {
    let queue = queue(3, &Bringers::new(0));
    for item in [1, 2, 3] {
        queue.push(item).unwrap();
    }
    assert_eq!(queue.push(4), Err(NotTaken::Full));
    let mut to = VecDeque::new();
    assert_eq!(queue.take(&mut to, 2), 2);
    assert_eq!(to, [1, 2]);
    queue.push(5).unwrap();
    assert_eq!(taken(&queue), [3, 5]);
}

#[test]
fn a_lone_command_is_taken_at_once_when_nobody_else_works() {
    let bringers = Bringers::new(1);
    let queue = queue(10, &bringers);
    bringers.rests();
    queue.push(1).unwrap();
    // With a patience of an hour this would not end.
    assert_eq!(queue.wait(None, LONG), Waited::Ready);
}

#[test]
fn the_reader_waits_while_somebody_works_and_no_longer_than_its_patience() {
    let bringers = Bringers::new(2);
    let queue = queue(10, &bringers);
    bringers.rests();
    queue.push(1).unwrap();
    let began = Instant::now();
    assert_eq!(queue.wait(None, Duration::from_micros(500)), Waited::Ready);
    assert!(began.elapsed() >= Duration::from_micros(500));
    // However long it would: there is a bound.
    assert_eq!(queue.wait(None, LONG), Waited::Ready);
}

#[test]
fn the_last_one_to_rest_wakes_the_reader() {
    for _ in 0..200 {
        let bringers = Bringers::new(2);
        let queue = queue(10, &bringers);
        bringers.rests();
        let waited = waiting(&queue, LONG);
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        bringers.rests();
        assert_eq!(waited.recv().unwrap(), Waited::Ready);
        assert_eq!(taken(&queue), [1, 2]);
    }
}

#[test]
fn whoever_works_again_is_waited_for_again() {
    let bringers = Bringers::new(1);
    let queue = queue(10, &bringers);
    bringers.rests();
    bringers.works();
    queue.push(1).unwrap();
    let waited = waiting(&queue, LONG);
    until(|| queue.patient.load(Ordering::SeqCst) || !queue.state().asleep);
    bringers.rests();
    assert_eq!(waited.recv().unwrap(), Waited::Ready);
}

#[test]
fn enough_is_enough_though_all_work() {
    let bringers = Bringers::new(4);
    let queue = queue(1000, &bringers);
    let waited = waiting(&queue, LONG);
    for item in 0..32 {
        queue.push(item).unwrap();
    }
    assert_eq!(waited.recv().unwrap(), Waited::Ready);
}

#[test]
fn nothing_for_so_long_is_idle() {
    let queue = queue(10, &Bringers::new(0));
    let idle = Some(Duration::from_millis(1));
    assert_eq!(queue.wait(idle, LONG), Waited::Idle);
}

#[test]
fn a_stop_lets_what_waits_be_taken_first() {
    let queue = queue(10, &Bringers::new(3));
    queue.push(1).unwrap();
    queue.stop();
    assert_eq!(queue.wait(None, LONG), Waited::Ready);
    assert_eq!(taken(&queue), [1]);
    assert_eq!(queue.wait(None, LONG), Waited::Stopped);
}

#[test]
fn a_stop_wakes_a_reader_that_sleeps() {
    let queue = queue(10, &Bringers::new(3));
    let waited = waiting(&queue, LONG);
    queue.stop();
    assert_eq!(waited.recv().unwrap(), Waited::Stopped);
}

#[test]
fn a_closed_queue_gives_back_what_waits_and_takes_nothing() {
    let queue = queue(10, &Bringers::new(0));
    queue.push(1).unwrap();
    assert_eq!(queue.close(), [1]);
    assert_eq!(queue.push(2), Err(NotTaken::Closed));
}

#[test]
fn nothing_is_lost_between_many_bringers_that_come_and_go() {
    const THREADS: u32 = 4;
    const EACH: u32 = 5_000;
    let bringers = Bringers::new(4);
    let queue = queue(usize::MAX, &bringers);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (queue, bringers) = (Arc::clone(&queue), Arc::clone(&bringers));
            thread::spawn(move || {
                for item in 0..EACH {
                    queue.push(thread * EACH + item).unwrap();
                    if item % 3 == 0 {
                        bringers.rests();
                        thread::yield_now();
                        bringers.works();
                    }
                }
                bringers.rests();
            })
        })
        .collect();
    let mut all = Vec::new();
    while all.len() < (THREADS * EACH) as usize {
        assert_eq!(queue.wait(None, LONG), Waited::Ready);
        all.extend(taken(&queue));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(0..THREADS * EACH));
}
