//! Every contract, and that there is one for every method.

use std::collections::BTreeSet;

use relynt_testkit::contract::CONTRACTS;

use crate::support::open;

macro_rules! tests {
    ($($module:ident::$name:ident: $($method:ident),+;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let (_folder, store) = open();
            relynt_testkit::contract::$module::$name(&*store).await;
        }
    )*};
}
relynt_testkit::for_each_contract!(tests);

/// The methods of the store's traits, read from their source.
fn methods() -> BTreeSet<&'static str> {
    let source = include_str!("../../../gateway/src/ports.rs");
    let mut methods = BTreeSet::new();
    for name in ["Calls", "Approvals", "Ledger", "Administration", "Store"] {
        let start = source.find(&format!("pub trait {name}: ")).expect(name);
        let body = &source[start..];
        let body = &body[..body.find("\n}").unwrap()];
        for line in body.lines() {
            let line = line.trim_start().trim_start_matches("async ");
            if let Some(rest) = line.strip_prefix("fn ") {
                methods.insert(&rest[..rest.find('(').unwrap()]);
            }
        }
    }
    methods
}

#[test]
fn every_method_has_a_contract() {
    let covered: BTreeSet<&str> = CONTRACTS
        .iter()
        .flat_map(|(_, methods)| methods.iter().copied())
        .collect();
    assert_eq!(covered, methods());
}
