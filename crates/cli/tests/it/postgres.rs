//! `relynt serve` on a PostgreSQL database, set up as `docs/postgresql.md` says.

use std::path::Path;

use relynt_testkit::postgres::{PASSWORD, PostgresServer, PostgresVersion};

use crate::dev::Dev;
use crate::run::{Ended, relynt, relynt_with};

/// Everything but the store's address.
fn configuration(folder: &Path) -> String {
    let key = folder.join("master.key");
    let bytes: Vec<u8> = (0..32).collect();
    std::fs::write(&key, bytes).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = folder.join("relynt.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\npublic_url = \"https://relynt.example.com\"\n\
         master_key_file = \"{}\"\nmetrics.listen = \"127.0.0.1:0\"\n",
        key.display()
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn check(version: PostgresVersion) {
    let mut server = PostgresServer::start(version, &[]);
    server.sql(
        "postgres",
        &format!("CREATE ROLE relynt_owner LOGIN CREATEROLE PASSWORD '{PASSWORD}'"),
    );
    server.sql(
        "postgres",
        &format!("CREATE ROLE gateway LOGIN PASSWORD '{PASSWORD}'"),
    );
    server.sql("postgres", "CREATE DATABASE relynt OWNER relynt_owner");
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    let url = server.url("gateway", "relynt");
    let as_gateway = [("RELYNT_CONFIG", file.as_str()), ("RELYNT_STORE_URL", &url)];
    let run = |arguments: &[&str]| relynt_with(arguments, &as_gateway, "");
    let refused = |ended: &Ended, why: &str| {
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
        assert!(!ended.stderr.contains(PASSWORD), "{ended:?}");
    };

    refused(&run(&["serve"]), "relynt_application");
    let owner = server.url("relynt_owner", "relynt");
    for _ in 0..2 {
        let migrated = relynt_with(&["migrate"], &[("RELYNT_STORE_URL", &owner)], "");
        assert_eq!(migrated.code, 0, "{migrated:?}");
        assert!(
            migrated.stdout.contains("GRANT relynt_application"),
            "{migrated:?}"
        );
    }
    refused(&run(&["migrate"]), "permission denied");
    server.sql(
        "relynt",
        "SET ROLE relynt_owner; GRANT relynt_application, relynt_lookup TO gateway",
    );

    let create = [
        "organizations",
        "create",
        "Acme",
        "--owner",
        "ada@example.com",
        "--json",
    ];
    let made = run(&create);
    assert_eq!(made.code, 0, "{made:?}");
    let made = made.json();
    let mut serve = Dev::start_with(folder.path(), &["serve", "--json"], &as_gateway);
    let base = format!("http://{}", serve.text("listen"));
    let as_owner = [
        ("RELYNT_API_BASE_URL", base.as_str()),
        (
            "RELYNT_ACCESS_TOKEN",
            made["access_token"].as_str().unwrap(),
        ),
    ];
    let ask = |arguments: &[&str]| relynt_with(arguments, &as_owner, "");
    let ready = ask(&["doctor", "--url", &base]);
    assert_eq!(ready.code, 0, "{ready:?}");
    let agent = ask(&["agents", "create", "sales", "--json"]);
    assert_eq!(agent.code, 0, "{agent:?}");

    // The database crashes under the gateway, which says so and goes on when it is back.
    server.crash();
    let without = relynt(&["doctor", "--url", &base]);
    assert_eq!(without.code, 1, "{without:?}");
    assert!(without.stdout.contains("fail  readiness"), "{without:?}");
    server.restart();
    let ready = ask(&["doctor", "--url", &base]);
    assert_eq!(ready.code, 0, "{ready:?}");
    let agents = ask(&["agents", "list", "--json"]);
    assert!(agents.stdout.contains("sales"), "{agents:?}");
    assert_eq!(serve.signal(rustix::process::Signal::TERM), 0);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains(PASSWORD), "{log}");

    let doctor = run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{doctor:?}");
}

#[test]
fn a_gateway_serves_on_postgresql_15() {
    check(PostgresVersion::Fifteen);
}

#[test]
fn a_gateway_serves_on_postgresql_18() {
    check(PostgresVersion::Eighteen);
}
