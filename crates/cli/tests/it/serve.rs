//! `relynt serve` and `relynt organizations`, the real ones.

use std::io::Write;
use std::path::Path;

use crate::dev::Dev;
use crate::run::{assert_error, relynt, relynt_with};

fn configuration(folder: &Path) -> String {
    let key = folder.join("master.key");
    let bytes: Vec<u8> = (0..32).collect();
    std::fs::write(&key, bytes).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = folder.join("relynt.toml");
    let folder = folder.display();
    let text = format!(
        "listen = \"127.0.0.1:0\"\npublic_url = \"https://relynt.example.com\"\n\
         master_key_file = \"{folder}/master.key\"\n\
         store.url = \"sqlite:{folder}/data/relynt.db\"\nmetrics.listen = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_missing_or_unknown_keeps_it_from_starting() {
    let missing = relynt(&["serve"]);
    let text = "`public_url` is missing: set it in the configuration file or as the variable \
                `RELYNT_PUBLIC_URL`";
    assert_error(&missing, 2, text);
    assert_error(
        &relynt(&["serve", "--config", "/nowhere.toml"]),
        2,
        "cannot read the configuration `/nowhere.toml`: there is no such file",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    let mut toml = std::fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .unwrap();
    toml.write_all(b"listn = 1\n").unwrap();
    assert_error(
        &relynt(&["serve", "--config", &file]),
        2,
        "`listn` is not a setting; did you mean `listen`?",
    );
}

#[test]
fn without_an_organization_it_serves_and_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    let arguments = ["serve", "--config", &file, "--json"];
    let mut serve = Dev::start_with(folder.path(), &arguments, &[]);
    assert_eq!(serve.said["base_url"], "https://relynt.example.com");
    let url = format!("http://{}", serve.text("listen"));
    let doctor = relynt(&["doctor", "--url", &url]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("fail  readiness"), "{doctor:?}");
    assert!(
        doctor.stdout.contains("relynt organizations create"),
        "{doctor:?}"
    );
    assert_eq!(serve.signal(rustix::process::Signal::TERM), 0);
}

#[test]
fn an_organization_made_on_the_machine_can_be_used_over_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    let create = [
        "organizations",
        "create",
        "Acme",
        "--owner",
        "ada@example.com",
        "--json",
    ];
    let made = relynt_with(&create, &[("RELYNT_CONFIG", &file)], "");
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
    let made = made.json();
    let members: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "organization_id", "user_id"]);

    let list = relynt(&["organizations", "list", "--config", &file, "--json"]).json();
    assert_eq!(
        list["organizations"][0]["organization_id"],
        made["organization_id"]
    );
    assert_eq!(list["organizations"][0]["name"], "Acme");

    let arguments = ["serve", "--config", &file, "--json"];
    let mut serve = Dev::start_with(folder.path(), &arguments, &[]);
    let url = format!("http://{}", serve.text("listen"));
    let token = made["access_token"].as_str().unwrap();
    let doctor = relynt_with(
        &["doctor", "--url", &url],
        &[("RELYNT_ACCESS_TOKEN", token)],
        "",
    );
    assert_eq!(doctor.code, 0, "{doctor:?}");
    let create = [
        "organizations",
        "create",
        "Late",
        "--owner",
        "b@example.com",
        "--config",
        &file,
    ];
    let late = relynt(&create);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.stderr.ends_with(": stop it first\n"), "{late:?}");
    assert_eq!(serve.signal(rustix::process::Signal::INT), 0);
}

#[test]
fn a_wrong_name_or_address_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    for (name, owner) in [
        ("", "a@example.com"),
        ("Acme", "nobody"),
        ("a\nb", "a@example.com"),
    ] {
        let create = [
            "organizations",
            "create",
            name,
            "--owner",
            owner,
            "--config",
            &file,
        ];
        let ended = relynt(&create);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    let list = relynt(&["organizations", "list", "--config", &file, "--json"]).json();
    assert_eq!(list["organizations"], serde_json::json!([]));
}
