//! The folder that `relynt dev` keeps everything in.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use relynt_gateway::ports::Entropy;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The embedded store.
pub(crate) const DATABASE: &str = "relynt.db";
/// The master key: 32 bytes, the only secret in clear.
pub(crate) const KEY: &str = "master.key";

/// Makes folder and master key, unless they are there.
///
/// A store without its key is refused: a new key would open nothing.
pub(crate) fn prepare(folder: &Path, entropy: &dyn Entropy) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file("make the folder", folder.display(), &error);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(failed)?;
    let key = folder.join(KEY);
    if key.try_exists().map_err(failed)? {
        return Ok(());
    }
    if folder.join(DATABASE).try_exists().map_err(failed)? {
        return Err(Failure::usage(format!(
            "`{}` holds {DATABASE} but no {KEY}: put the key back, or name another folder",
            folder.display()
        )));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    entropy
        .fill(bytes.as_mut())
        .map_err(|error| Failure::usage(error.to_string()))?;
    write_key(folder, &key, bytes.as_slice())
        .map_err(|error| Failure::file("write", key.display(), &error))
}

/// All of the key or none: a crash in between leaves a file that nobody reads.
fn write_key(folder: &Path, key: &Path, bytes: &[u8]) -> io::Result<()> {
    let part: PathBuf = folder.join(format!("{KEY}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    let linked = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        // Not a rename, which would replace the key of whoever was faster.
        .and_then(|()| match std::fs::hard_link(&part, key) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    std::fs::remove_file(&part)?;
    linked?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use relynt_gateway::ports::{Entropy, EntropyError};

    use super::{DATABASE, KEY, prepare};

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
            for (byte, value) in buffer.iter_mut().zip(1..) {
                *byte = value;
            }
            Ok(())
        }
    }

    #[test]
    fn a_new_folder_and_its_key_are_for_their_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        prepare(&folder, &Counting).unwrap();
        let key = std::fs::read(folder.join(KEY)).unwrap();
        assert_eq!((key.len(), key[31]), (32, 32));
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(KEY))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY), "mine").unwrap();
        prepare(folder.path(), &Counting).unwrap();
        assert_eq!(std::fs::read(folder.path().join(KEY)).unwrap(), b"mine");
    }

    #[test]
    fn a_store_without_its_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(DATABASE), "").unwrap();
        let failure = prepare(folder.path(), &Counting).unwrap_err();
        assert!(failure.text.contains("put the key back"), "{failure:?}");
        assert!(!folder.path().join(KEY).exists());
    }
}
