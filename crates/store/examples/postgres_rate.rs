//! How many decisions a second PostgreSQL takes from callers that each wait for their answer.
//!
//! `cargo run --release -p relynt-store --example postgres_rate [callers] [seconds] [settings]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use relynt_domain::Decision;
use relynt_gateway::ports::{Calls as _, Recorded, Store as _};
use relynt_store::{PostgresOptions, PostgresStore};
use relynt_testkit::SeededEntropy;
use relynt_testkit::postgres::{OWNER, PostgresServer, PostgresVersion};
use relynt_testkit::sample::Tenant;
use zeroize::Zeroizing;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual| arguments.next().map_or(usual, |text| text.parse().unwrap());
    let (callers, seconds) = (number(64), number(10));
    // The rest: settings of the server, `name=value`.
    let settings: Vec<String> = arguments.collect();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = PostgresServer::start(PostgresVersion::Fifteen, &settings);
    let options = || {
        PostgresOptions::new(
            Zeroizing::new(server.url(OWNER, "postgres")),
            Zeroizing::new([7; 32]),
            Arc::new(SeededEntropy::new(1)),
        )
    };
    let url = Zeroizing::new(server.url(OWNER, "postgres"));
    let entropy = Arc::new(SeededEntropy::new(2));
    PostgresStore::migrate(url, entropy).await.unwrap();
    let store = PostgresStore::open(options()).await.unwrap();
    let tenant = Arc::new(Tenant::create(&*store, "rate").await);
    let ends = Instant::now() + Duration::from_secs(seconds);
    let started = Instant::now();
    let tasks = (0..callers).map(|_| {
        let (store, tenant) = (Arc::clone(&store), Arc::clone(&tenant));
        let work = async move {
            let mut times = Vec::new();
            while Instant::now() < ends {
                let call = tenant.call();
                let plan = tenant.maker.closed(&call, Decision::Allow);
                let began = Instant::now();
                let recorded = store.record_decision(tenant.seen(), call, plan).await;
                assert!(matches!(recorded.unwrap(), Recorded::New(_)));
                times.push(began.elapsed());
            }
            times
        };
        #[expect(clippy::disallowed_methods, reason = "a measurement's own")]
        tokio::spawn(work)
    });
    let mut times = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        times.extend(task.await.unwrap());
    }
    let took = started.elapsed();
    times.sort_unstable();
    let gauges = store.gauges();
    let at = |percent| times.get(times.len() * percent / 100).copied();
    println!(
        "{} decisions in {took:?}, {} a second, {} in a group; half within {:?}, 99 % within {:?}",
        times.len(),
        times.len() * 1000 / usize::try_from(took.as_millis()).unwrap(),
        gauges.commands / gauges.groups,
        at(50),
        at(99),
    );
}
