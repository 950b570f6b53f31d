//! Configuration: what is read, and what stops a start

use std::path::PathBuf;

use relynt_server::{Config, MasterKeySource, StoreUrl};

const FILE: &str = r#"
public_url = "https://relynt.example.com"
master_key_file = "/etc/relynt/master.key"

[store]
url = "sqlite:/var/lib/relynt"
"#;

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read(Some(file), environment, &[]).map_err(|error| error.to_string())
}

#[test]
fn what_nobody_says_has_its_default() {
    let config = read(FILE, &[]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.metrics_listen, "127.0.0.1:9464".parse().unwrap());
    assert_eq!(config.max_connections, 16_384);
    assert_eq!(config.connector_allow, "");
    assert_eq!(config.log, "info");
    assert_eq!(
        config.store,
        StoreUrl::Sqlite(PathBuf::from("/var/lib/relynt"))
    );
    assert!(
        matches!(config.master_key, MasterKeySource::File(path) if path.to_str() == Some("/etc/relynt/master.key"))
    );
}

#[test]
fn a_variable_wins_and_those_of_clients_are_ignored() {
    let config = read(
        FILE,
        &[
            ("RELYNT_LISTEN", "0.0.0.0:80"),
            ("RELYNT_METRICS_LISTEN", "127.0.0.1:1"),
            ("RELYNT_CONNECTOR_ALLOW", ""),
            ("RELYNT_STORE_URL", "sqlite:data"),
            ("RELYNT_API_BASE_URL", "x"),
            ("RELYNT_AGENT_SECRET", "x"),
            ("RELYNT_AGENT_ID", "x"),
            ("RELYNT_ORG_ID", "x"),
            ("RELYNT_ACCESS_TOKEN", "x"),
            ("RELYNT", "x"),
            ("PATH", "x"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen, "0.0.0.0:80".parse().unwrap());
    assert_eq!(config.metrics_listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!(config.store, StoreUrl::Sqlite(PathBuf::from("data")));
}

#[test]
fn what_is_wrong_stops_the_start_with_one_line() {
    let with = |line: &str| format!("{line}\n{FILE}");
    for (file, environment, told) in [
        (
            with("liste = 'x'"),
            vec![],
            "`liste` is not a setting; did you mean `listen`?",
        ),
        (
            with("frobnicate = 1"),
            vec![],
            "`frobnicate` is not a setting",
        ),
        (
            with("listen = 'x'"),
            vec![],
            "`listen` is `x` and must be an address and port such as `127.0.0.1:8080`",
        ),
        (
            with("listen = true"),
            vec![],
            "`listen` in the configuration file must be a string",
        ),
        (
            with("max_connections = 0"),
            vec![],
            "`max_connections` is `0` and must be a number from 1 to 1000000",
        ),
        (
            with("trusted_proxies = []"),
            vec![],
            "`trusted_proxies` is not supported yet",
        ),
        (
            format!("{FILE}[tls]\ncert_file = 'x'"),
            vec![],
            "`tls.cert_file` is not supported yet",
        ),
        (with("log = ''"), vec![], "`log` must not be empty"),
        (
            with("listen = "),
            vec![],
            "the configuration file is not TOML (line 1): ",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_LISTN", "x")],
            "`RELYNT_LISTN` is not a variable of the server; did you mean `RELYNT_LISTEN`?",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_TLS_CERT_FILE", "x")],
            "the variable `RELYNT_TLS_CERT_FILE` is not supported yet",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_MAX_CONNECTIONS", "many")],
            "the variable `RELYNT_MAX_CONNECTIONS` is `many` and must be a number from 1 to 1000000",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_MASTER_KEY", "secret")],
            "the master key is given twice: by the variable `RELYNT_MASTER_KEY` and by `master_key_file`",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_STORE_URL", "mysql://user:secret@host/db")],
            "the variable `RELYNT_STORE_URL` must be `sqlite:FOLDER`, such as `sqlite:/var/lib/relynt`, or `postgresql://LOGIN:PASSWORD@HOST/DATABASE`",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_PUBLIC_URL", "http://relynt.example.com")],
            "the variable `RELYNT_PUBLIC_URL` is `http://relynt.example.com` and must be `https`: credentials would cross the network in clear",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_PUBLIC_URL", "https://u:secret@relynt.example.com")],
            "the variable `RELYNT_PUBLIC_URL` must not hold a user or a password",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_PUBLIC_URL", "https://relynt.example.com/x")],
            "the variable `RELYNT_PUBLIC_URL` is `https://relynt.example.com/x` and must be scheme, host and port alone",
        ),
        (
            FILE.to_owned(),
            vec![("RELYNT_PUBLIC_URL", "")],
            "the variable `RELYNT_PUBLIC_URL` must be an address such as `https://relynt.example.com`",
        ),
        (
            String::new(),
            vec![],
            "`public_url` is missing: set it in the configuration file or as the variable `RELYNT_PUBLIC_URL`",
        ),
        (
            "public_url = 'http://localhost'".to_owned(),
            vec![],
            "`store.url` is missing: set it in the configuration file or as the variable `RELYNT_STORE_URL`",
        ),
        (
            "public_url = 'http://127.0.0.1:1'\nstore.url = 'sqlite:x'".to_owned(),
            vec![],
            "`master_key_file` is missing: set it in the configuration file or as the variable `RELYNT_MASTER_KEY_FILE`",
        ),
    ] {
        let error = read(&file, &environment).unwrap_err();
        assert!(error.starts_with(told), "{error}\n{told}");
        assert!(
            !error.contains('\n') && !error.contains("secret"),
            "{error}"
        );
    }
}

#[test]
fn defaults_stand_in_for_what_nobody_says() {
    let defaults = [
        ("public_url", ""),
        ("store.url", "sqlite:data"),
        ("master_key_file", "data/master.key"),
        ("connector.allow", "127.0.0.0/8"),
    ];
    let config = Config::read(None, [], &defaults).unwrap();
    assert!(config.public_url.is_none());
    assert_eq!(config.connector_allow, "127.0.0.0/8");
    let environment = [("RELYNT_CONNECTOR_ALLOW".to_owned(), String::new())];
    assert_eq!(
        Config::read(None, environment, &defaults)
            .unwrap()
            .connector_allow,
        ""
    );
}

#[test]
fn a_master_key_is_32_random_bytes_that_nobody_else_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let load = || MasterKeySource::File(path.clone()).load();
    let write = |bytes: &[u8], mode: u32| {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let key: Vec<u8> = (0..32).collect();
    assert!(load().unwrap_err().to_string().contains("cannot be read"));
    write(&key, 0o600);
    assert_eq!(load().unwrap().expose().as_slice(), key);
    assert_eq!(format!("{:?}", load().unwrap()), "MasterKey");
    write(&key, 0o640);
    assert!(load().unwrap_err().to_string().contains("0600"));
    write(&key[..31], 0o600);
    assert!(load().unwrap_err().to_string().contains("32 bytes"));
    write(&[0; 32], 0o600);
    assert!(load().unwrap_err().to_string().contains("over and over"));
    let given = |text: &str| MasterKeySource::Given(text.to_owned().into()).load();
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    assert_eq!(given(hex).unwrap().expose().as_slice(), key);
    assert_eq!(
        given("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .unwrap()
            .expose()
            .as_slice(),
        key
    );
    assert!(given("secret").is_err());
}

#[test]
fn a_database_is_named_by_its_address_which_is_shown_to_nobody() {
    for url in [
        "postgresql://a:secret@host/db",
        "postgres://a:secret@host/db",
    ] {
        let variables = vec![("RELYNT_STORE_URL".to_owned(), url.to_owned())];
        let config = Config::read(Some(FILE), variables, &[]).unwrap();
        let StoreUrl::Postgres(address) = &config.store else {
            panic!("{config:?}")
        };
        assert_eq!(address.expose().as_str(), url);
        assert!(!format!("{config:?}").contains("secret"), "{config:?}");
    }
}
