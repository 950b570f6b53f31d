//! Every contract, on each version: one server for all of them, a database for each.

use std::panic::AssertUnwindSafe;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use relynt_gateway::ports::Store;
use relynt_testkit::postgres::PostgresVersion;

use super::support::Installation;

/// Contracts that run at once.
const AT_ONCE: usize = 4;

type Contract = for<'a> fn(&'a dyn Store) -> LocalBoxFuture<'a, ()>;

macro_rules! contracts {
    ($($module:ident::$name:ident: $($method:ident),+;)*) => {
        const CONTRACTS: &[(&str, Contract)] = &[$((
            stringify!($name),
            |store| relynt_testkit::contract::$module::$name(store).boxed_local(),
        )),*];
    };
}
relynt_testkit::for_each_contract!(contracts);

async fn check(version: PostgresVersion) {
    let installation = Installation::start(version).await;
    let failed: Vec<&str> = stream::iter(CONTRACTS.iter().enumerate())
        .map(async |(number, (name, contract))| {
            let database = format!("contract_{number}");
            installation.copy(&database).await;
            let store = installation.try_open(&database).await.unwrap();
            // What was wrong is on standard error already.
            let kept = AssertUnwindSafe(contract(&*store)).catch_unwind().await;
            kept.is_err().then_some(*name)
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |failed| failed)
        .collect()
        .await;
    assert!(failed.is_empty(), "not kept: {failed:?}");
}

#[tokio::test]
async fn postgresql_15_keeps_every_contract() {
    check(PostgresVersion::Fifteen).await;
}

#[tokio::test]
async fn postgresql_18_keeps_every_contract() {
    check(PostgresVersion::Eighteen).await;
}
