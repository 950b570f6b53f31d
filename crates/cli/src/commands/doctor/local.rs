//! Checks of an installation on this machine, while no gateway runs on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use relynt_domain::Timestamp;
use relynt_egress::AddressRules;
use relynt_gateway::NotReady;
use relynt_server::{
    Config, Installation, InstallationError, MasterKey, MasterKeyError, MasterKeySource,
};
use relynt_store::{OpenError, PostgresError, SchemaError};

use super::finding::Finding;
use crate::failure::Failure;
use crate::local::folder::DATABASE;
use crate::local::{self, Place};
use crate::outside::{Outside, now};

/// When this program was written: no clock that is right is behind it.
const WRITTEN: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);
/// Clocks of file systems and machines differ by less.
const SKEW: Duration = Duration::from_mins(1);

pub(super) fn check(place: &Place, outside: &Outside) -> Result<Vec<Finding>, Failure> {
    let config = match place.read(outside) {
        Ok(config) => config,
        Err(failure) => return Ok(vec![configuration(Err(&failure))]),
    };
    let folder = local::store_folder(&config);
    let mut findings = vec![
        configuration(Ok(())),
        permissions(&modes(folder.as_deref(), &config)),
        keys(config.master_key.load()),
        clock(now(), folder.as_deref().and_then(newest)),
        addresses(&config.connector_allow),
    ];
    if let Some(folder) = &folder
        && !folder.join(DATABASE).exists()
    {
        // Opening would make one.
        findings.push(no_store(folder));
        return Ok(findings);
    }
    if config.master_key.load().is_ok() {
        let (opened, ready) = local::block_on(|bringers| async move {
            let opened = local::install(&config, false, Vec::new(), bringers).await?;
            match opened {
                Ok(installation) => {
                    let ready = installation.gateway.check_ready().await;
                    Ok::<_, Failure>((Ok(installation), Some(ready)))
                }
                Err(error) => Ok((Err(error), None)),
            }
        })??;
        findings.push(store(&opened));
        findings.extend(ready.map(readiness));
    }
    Ok(findings)
}

fn configuration(read: Result<(), &Failure>) -> Finding {
    match read {
        Ok(()) => Finding::ok("configuration", "it is complete"),
        Err(failure) => Finding::fail(
            "configuration",
            failure.text.clone(),
            "correct the configuration file or the variable",
        ),
    }
}

/// A path and its mode, as far as they can be read.
type Mode = (PathBuf, Kind, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
}

fn modes(folder: Option<&Path>, config: &Config) -> Vec<Mode> {
    use std::os::unix::fs::PermissionsExt;
    let mut paths = Vec::new();
    if let Some(folder) = folder {
        paths.push((folder.to_owned(), Kind::Folder));
        let files = [DATABASE, "relynt.db-wal", "lock"];
        paths.extend(files.map(|name| (folder.join(name), Kind::File)));
    }
    if let MasterKeySource::File(path) = &config.master_key {
        paths.push((path.clone(), Kind::File));
    }
    let read = paths.into_iter().filter_map(|(path, kind)| {
        let mode = path.metadata().ok()?.permissions().mode();
        Some((path, kind, mode & 0o777))
    });
    read.collect()
}

fn permissions(modes: &[Mode]) -> Finding {
    for (path, kind, mode) in modes {
        // A folder that others may only enter shows nothing; one that they may change hands them
        // the store.
        let (wrong, right) = match kind {
            Kind::Folder => (mode & 0o022, "700"),
            Kind::File => (mode & 0o077, "600"),
        };
        if wrong != 0 {
            let path = path.display();
            return Finding::fail(
                "permissions",
                format!("others may use `{path}` (mode {mode:o})"),
                format!("chmod {right} {path}"),
            );
        }
    }
    Finding::ok("permissions", "store and keys are for their owner alone")
}

fn keys(key: Result<MasterKey, MasterKeyError>) -> Finding {
    match key {
        Ok(_) => Finding::ok("keys", "the master key can be read"),
        Err(error) => Finding::fail(
            "keys",
            error.to_string(),
            "put the key of this store back; without it nothing sealed can be read",
        ),
    }
}

/// When the store was last written.
fn newest(folder: &Path) -> Option<Timestamp> {
    let files = [DATABASE, "relynt.db-wal"].map(|name| folder.join(name));
    let times = files.iter().filter_map(|file| {
        let written = file.metadata().ok()?.modified().ok()?;
        let since = written.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp::from_unix_millis(
            u64::try_from(since.as_millis()).ok()?,
        ))
    });
    times.max()
}

fn clock(now: Timestamp, written: Option<Timestamp>) -> Finding {
    let advice = "set this machine's clock, such as by NTP";
    if now < WRITTEN {
        return Finding::fail("clock", format!("it says {now}, which is past"), advice);
    }
    match written {
        Some(written) if written.since(now) > SKEW => Finding::fail(
            "clock",
            format!("it says {now}, but the store was written at {written}"),
            advice,
        ),
        _ => Finding::ok("clock", format!("it says {now}")),
    }
}

fn addresses(allowed: &str) -> Finding {
    // What one organization may reach counts as well: it is the same network.
    let networks: Vec<&str> = allowed
        .split(',')
        .map(|entry| entry.split_once('=').map_or(entry, |(_, network)| network))
        .collect();
    let rules = AddressRules::parse(allowed).and_then(|_| AddressRules::parse(&networks.join(",")));
    let rules = match rules {
        Ok(rules) => rules,
        Err(fault) => {
            return Finding::fail(
                "connectors",
                format!("`connector.allow`: {fault}"),
                "correct it: without it no gateway starts",
            );
        }
    };
    let reaches = |address: IpAddr, port: u16| {
        let address = SocketAddr::new(address, port);
        rules.check(address, None).is_ok()
    };
    if reaches(Ipv4Addr::new(169, 254, 169, 254).into(), 80) {
        return Finding::fail(
            "connectors",
            "`connector.allow` reaches 169.254.169.254, where clouds hand out the machine's own \
             credentials",
            "allow only the networks that connectors need",
        );
    }
    if reaches(Ipv4Addr::LOCALHOST.into(), 22) || reaches(Ipv6Addr::LOCALHOST.into(), 22) {
        return Finding::warn(
            "connectors",
            "`connector.allow` reaches every service of this machine",
            "name the port, such as `127.0.0.1/32:9000`",
        );
    }
    Finding::ok(
        "connectors",
        "`connector.allow` reaches no more than it names",
    )
}

fn no_store(folder: &Path) -> Finding {
    Finding::fail(
        "store",
        format!("there is none in `{}`", folder.display()),
        "create an organization with `relynt organizations create NAME --owner EMAIL`",
    )
}

fn store(opened: &Result<Installation, InstallationError>) -> Finding {
    let Err(error) = opened else {
        return Finding::ok("store", "it opens, and its key is the right one");
    };
    let advice = match error {
        InstallationError::Store(OpenError::Locked { .. }) => {
            return Finding::warn(
                "store",
                "a gateway runs on it, so that it was not looked into",
                "check the running gateway with `relynt doctor --url URL`",
            );
        }
        InstallationError::Store(OpenError::WrongKey { .. })
        | InstallationError::Database(PostgresError::WrongKey) => {
            "put the key back that the store was made with"
        }
        InstallationError::Store(OpenError::Newer { .. })
        | InstallationError::Database(PostgresError::Schema(SchemaError::Newer { .. })) => {
            "use the newer program"
        }
        InstallationError::Database(PostgresError::Schema(_)) => {
            "run `relynt migrate` as the owner of the database"
        }
        InstallationError::Database(_) => "look at the database, its address and its logins",
        _ => "look at the disk and at the folder's permissions, or restore a backup",
    };
    Finding::fail("store", local::cannot_open(error).text, advice)
}

fn readiness(ready: Result<(), NotReady>) -> Finding {
    let Err(why) = ready else {
        return Finding::ok("readiness", "store, signer and policies are ready");
    };
    let advice = match &why {
        NotReady::NoOrganization => "decisions need an organization and an agent",
        NotReady::Store(_) => "look at the disk: is it full, or read-only?",
        NotReady::Signer | NotReady::Policies => "restore a backup, or ask for help",
    };
    Finding::fail("readiness", why.to_string(), advice)
}

#[cfg(test)]
mod tests {
    use relynt_gateway::ports::StoreError;
    use relynt_server::MasterKey;

    use super::super::finding::Health::{self, Fail, Ok as Good, Warn};
    use super::*;

    #[test]
    fn a_wrong_configuration_fails_with_its_fault() {
        let finding = configuration(Err(&Failure::usage("`listn` is not a setting")));
        assert_eq!(finding.health, Fail);
        assert!(finding.detail.contains("listn"));
        assert_eq!(configuration(Ok(())).health, Good);
    }

    #[test]
    fn what_others_may_read_or_change_fails() {
        let health = |kind, mode| permissions(&[(PathBuf::from("x"), kind, mode)]).health;
        for (kind, mode, expected) in [
            (Kind::File, 0o600, Good),
            (Kind::File, 0o640, Fail),
            (Kind::File, 0o604, Fail),
            (Kind::Folder, 0o700, Good),
            (Kind::Folder, 0o755, Good),
            (Kind::Folder, 0o777, Fail),
            (Kind::Folder, 0o730, Fail),
        ] {
            assert_eq!(health(kind, mode), expected, "{kind:?} {mode:o}");
        }
    }

    #[test]
    fn a_key_that_is_none_fails() {
        assert_eq!(keys(MasterKey::from_bytes(&[7; 31])).health, Fail);
        assert_eq!(keys(MasterKey::from_bytes(&[7; 32])).health, Fail);
        let mut good = [7; 32];
        good[0] = 8;
        assert_eq!(keys(MasterKey::from_bytes(&good)).health, Good);
    }

    #[test]
    fn a_clock_behind_the_store_or_this_program_fails() {
        let at = Timestamp::from_unix_millis;
        let now = 1_800_000_000_000;
        let health = |now, written: Option<u64>| clock(at(now), written.map(at)).health;
        assert_eq!(health(now, None), Good);
        assert_eq!(health(now, Some(now + 30_000)), Good);
        assert_eq!(health(now, Some(now + 90_000)), Fail);
        assert_eq!(health(0, None), Fail);
    }

    #[test]
    fn an_allow_list_that_reaches_too_far_is_said() {
        let health = |text: &str| -> Health { addresses(text).health };
        assert_eq!(health(""), Good);
        assert_eq!(health("10.1.0.0/16:443, 127.0.0.1/32:9000"), Good);
        assert_eq!(health("127.0.0.0/8"), Warn);
        assert_eq!(health("::1/128"), Warn);
        assert_eq!(health("0.0.0.0/0"), Fail);
        assert_eq!(health("169.254.0.0/16"), Fail);
        let one = "018f3a4e-7c00-7000-8000-0000000000a1=169.254.0.0/16";
        assert_eq!(health(one), Fail);
        assert_eq!(health("10.1.0.0"), Fail);
    }

    #[test]
    fn a_store_that_does_not_open_fails_and_one_in_use_warns() {
        let health = |error: OpenError| store(&Err(InstallationError::Store(error))).health;
        let folder = PathBuf::from("x");
        assert_eq!(
            health(OpenError::Locked {
                folder: folder.clone()
            }),
            Warn
        );
        assert_eq!(
            health(OpenError::WrongKey {
                folder: folder.clone()
            }),
            Fail
        );
        assert_eq!(health(OpenError::Newer { found: 9, known: 1 }), Fail);
        assert_eq!(
            health(OpenError::NoLog {
                folder: folder.clone()
            }),
            Fail
        );
        assert_eq!(no_store(&folder).health, Fail);
    }

    #[test]
    fn what_keeps_decisions_from_being_made_fails() {
        assert_eq!(readiness(Ok(())).health, Good);
        for why in [
            NotReady::NoOrganization,
            NotReady::Signer,
            NotReady::Policies,
            NotReady::Store(StoreError::Closed),
        ] {
            assert_eq!(readiness(Err(why)).health, Fail);
        }
    }
}
