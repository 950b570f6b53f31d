//! Files that people hand over: policies, connectors, payloads, tokens.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use relynt_json::Value;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The longest policy that a gateway takes.
const LONGEST: u64 = 4 * 1024 * 1024;
const LONGEST_TOKEN: u64 = 8 * 1024;

/// Reads a JSON file; `-` is standard input. As strict as the gateway itself, because rewriting
/// what it would refuse (a duplicate key, a number that a double cannot carry) would hide it.
pub(crate) fn read_json(path: &Path) -> Result<Value, Failure> {
    let name = path.display();
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    if extension == "yaml" || extension == "yml" {
        return Err(Failure::usage(format!(
            "`{name}` is YAML, which is not read yet: give it as JSON"
        )));
    }
    let bytes = read(path, LONGEST)?;
    parse_json(&bytes, &format!("`{name}`"))
}

/// Reads JSON as strictly as the gateway does; `what` names it in the error.
pub(crate) fn parse_json(bytes: &[u8], what: &str) -> Result<Value, Failure> {
    relynt_json::parse(bytes).map_err(|error| {
        Failure::usage(format!(
            "{what} is not JSON that the gateway takes: {error}"
        ))
    })
}

/// A payload on the command line: JSON, or `@FILE`.
pub(crate) fn payload(argument: &str) -> Result<Value, Failure> {
    match argument.strip_prefix('@') {
        Some(path) => read_json(Path::new(path)),
        None => parse_json(argument.as_bytes(), "the payload"),
    }
}

/// Reads an access token: one line.
pub(crate) fn read_token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(read(path, LONGEST_TOKEN)?);
    let text = std::str::from_utf8(bytes.trim_ascii()).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let name = path.display();
        return Err(Failure::usage(format!(
            "`{name}` does not hold an access token: it must be one line such as `rlp_…`"
        )));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(limit + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    let count = read.map_err(|error| Failure::file("read", name, &error))?;
    if u64::try_from(count).unwrap_or(u64::MAX) > limit {
        let name = path.display();
        return Err(Failure::usage(format!(
            "`{name}` is longer than {limit} bytes"
        )));
    }
    Ok(bytes)
}
