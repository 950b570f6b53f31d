//! The master key: 32 bytes that everything sealed depends on

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The 32 bytes. Never shown.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Takes 32 bytes.
    ///
    /// # Errors
    /// There are not 32, or they are one byte over and over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MasterKeyError> {
        let key: [u8; 32] = bytes.try_into().map_err(|_| MasterKeyError::Length)?;
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err(MasterKeyError::Weak);
        }
        Ok(Self(Zeroizing::new(key)))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// The master key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read.
    #[error("the master key file `{path}` cannot be read: {cause}", path = .0.display(), cause = .1)]
    Unreadable(PathBuf, #[source] io::Error),
    /// Others may read the file.
    #[error("the master key file `{}` may be read by others: make its mode 0600", .0.display())]
    Exposed(PathBuf),
    /// Not 32 bytes.
    #[error("the master key must be 32 bytes: raw in a file, hex or base64 in the variable")]
    Length,
    /// Not random.
    #[error("the master key is one byte over and over: make one with a random generator")]
    Weak,
}

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// A file of 32 bytes.
    File(PathBuf),
    /// A text, hex or base64.
    Given(SecretString),
}

impl MasterKeySource {
    /// Reads the key.
    ///
    /// # Errors
    /// It cannot be read, may be read by others, or is no key.
    pub fn load(&self) -> Result<MasterKey, MasterKeyError> {
        match self {
            Self::File(path) => from_file(path),
            Self::Given(text) => {
                let text = text.expose_secret().trim();
                let bytes = Zeroizing::new(decode(text).ok_or(MasterKeyError::Length)?);
                MasterKey::from_bytes(&bytes)
            }
        }
    }
}

fn from_file(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let unreadable = |error| MasterKeyError::Unreadable(path.to_owned(), error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed(path.to_owned()));
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    // A key of the wrong length is not read to its end, whatever the path names.
    io::Read::read_to_end(&mut io::Read::take(file, 64), &mut bytes).map_err(unreadable)?;
    MasterKey::from_bytes(&bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return (0..32)
            .map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok())
            .collect();
    }
    let text = text.trim_end_matches('=');
    general_purpose::STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(text))
        .ok()
}
