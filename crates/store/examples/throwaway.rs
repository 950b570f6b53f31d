#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]
use relynt_domain::Decision;
use relynt_store::*;
use relynt_testkit::{SeededEntropy, sample::Tenant};
use std::sync::Arc;
use std::time::Instant;
fn main() {
    let rt = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    rt.block_on(async {
        let folder = tempfile::tempdir_in(std::env::args().nth(1).unwrap()).unwrap();
        let store = SqliteStore::open(OpenOptions::new(folder.path(), zeroize::Zeroizing::new([7;32]), Arc::new(SeededEntropy::new(3)))).unwrap();
        let t = Arc::new(Tenant::create(&*store, "x").await);
        // prepare calls ahead: signing costs are not the store's
        for callers in [1usize, 64, 64, 256] {
            let per = if callers == 1 { 2000 } else { 20000 / callers };
            let before = store.group_sizes();
            let mut prepared = vec![];
            for _ in 0..callers { prepared.push((0..per).map(|_| { let c = t.call(); let p = t.maker.closed(&c, Decision::Allow); (c,p) }).collect::<Vec<_>>()); }
            let start = Instant::now();
            let mut tasks = vec![];
            for list in prepared { let (s,t) = (store.clone(), t.clone()); tasks.push(rt_spawn(async move {
                let mut lat = vec![];
                for (c,p) in list { let b = Instant::now(); relynt_gateway::ports::Calls::record_decision(&*s, t.seen(), c, p).await.unwrap(); lat.push(b.elapsed()); } lat })); }
            let mut lat = vec![]; for x in tasks { lat.extend(x.await.unwrap()); }
            let el = start.elapsed(); lat.sort();
            let after = store.group_sizes(); let d: Vec<u64> = after.iter().zip(&before).map(|(a,b)| a-b).collect();
            let n: u64 = d.iter().sum(); let mut c=0; let mut med=0; for (i,x) in d.iter().enumerate() { c+=x; if c*2>=n { med=i; break; } }
            println!("callers {callers}: {:.0} rows/s, p50 {:?} p99 {:?} max {:?}, groups {n}, median {med}", lat.len() as f64/el.as_secs_f64(), lat[lat.len()/2], lat[lat.len()*99/100], lat[lat.len()-1]);
        }
        let db = std::fs::metadata(folder.path().join("relynt.db")).unwrap().len(); let wal = std::fs::metadata(folder.path().join("relynt.db-wal")).unwrap().len();
        println!("db {} MB wal {} MB", db>>20, wal>>20);
    });
}
#[allow(clippy::disallowed_methods)]
fn rt_spawn<F: Future + Send + 'static>(f: F) -> tokio::task::JoinHandle<F::Output>
where
    F::Output: Send,
{
    tokio::spawn(f)
}
