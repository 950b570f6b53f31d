//! Places at a connector.

use relynt_connectors::Options;
use relynt_gateway::ports::Connectors as _;

use crate::{ORGANIZATION, check, connectors_with, record};

#[test]
fn places_are_bounded_and_given_back() {
    let connectors = connectors_with(
        "",
        Options {
            slots: 2,
            ..Options::default()
        },
    );
    let connector = connectors
        .compile(ORGANIZATION, &record(check("{}").unwrap()))
        .unwrap();
    let first = connector.try_slot().unwrap();
    let second = connector.try_slot().unwrap();
    assert!(connector.try_slot().is_none());
    drop(first);
    assert!(connector.try_slot().is_some());
    drop(second);
}

#[test]
fn a_new_version_has_the_places_of_the_old_one() {
    let connectors = connectors_with(
        "",
        Options {
            slots: 1,
            ..Options::default()
        },
    );
    let mut stored = record(check("{}").unwrap());
    let old = connectors.compile(ORGANIZATION, &stored).unwrap();
    let held = old.try_slot().unwrap();
    drop(old);
    stored.version = 2;
    let new = connectors.compile(ORGANIZATION, &stored).unwrap();
    assert!(new.try_slot().is_none());
    drop(held);
    assert!(new.try_slot().is_some());
}

#[test]
fn connectors_do_not_share_places() {
    let connectors = connectors_with(
        "",
        Options {
            slots: 1,
            ..Options::default()
        },
    );
    let one = connectors
        .compile(ORGANIZATION, &record(check("{}").unwrap()))
        .unwrap();
    let mut other = record(check("{}").unwrap());
    other.id = relynt_domain::ConnectorId::from_bytes([9; 16]);
    let other = connectors.compile(ORGANIZATION, &other).unwrap();
    let _held = one.try_slot().unwrap();
    assert!(other.try_slot().is_some());
}
