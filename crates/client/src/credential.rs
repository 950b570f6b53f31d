//! The secret that an agent, or a person at the command line, shows to the gateway.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem::Finder;
use zeroize::Zeroizing;

/// Shorter texts may be ordinary words, and blanking those would falsify answers.
const SHORTEST_REDACTED: usize = 16;
const LONGEST: usize = 4096;
const BLANKED: &[u8] = b"********";

/// A bearer credential: visible ASCII, so that it can never break out of its header.
pub(crate) struct Credential {
    // INVARIANT: 1 to 4096 bytes of 0x21..=0x7e.
    text: Zeroizing<String>,
    finder: Option<Finder<'static>>,
}

impl Credential {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let sane = !text.is_empty()
            && text.len() <= LONGEST
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        sane.then(|| Self {
            text: Zeroizing::new(text.to_owned()),
            finder: finder(text),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The bytes with every occurrence of the secret blanked: a server that echoes headers must
    /// not put it into an exception or a log.
    pub(crate) fn redact(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(finder) = &self.finder else {
            return bytes;
        };
        let mut found = finder.find_iter(&bytes).peekable();
        if found.peek().is_none() {
            return bytes;
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for at in found {
            clean.extend_from_slice(bytes.get(from..at).unwrap_or_default());
            clean.extend_from_slice(BLANKED);
            from = at + finder.needle().len();
        }
        clean.extend_from_slice(bytes.get(from..).unwrap_or_default());
        clean
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(********)")
    }
}

/// Looks for the secret as it stands in JSON; of the form `<agent_id>:<credential>` only the
/// second half is secret.
fn finder(text: &str) -> Option<Finder<'static>> {
    let secret = match text.split_once(':') {
        Some((_, secret)) if secret.len() >= SHORTEST_REDACTED => secret,
        _ => text,
    };
    let escaped = if secret.contains(['"', '\\']) {
        Cow::Owned(secret.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        Cow::Borrowed(secret)
    };
    (secret.len() >= SHORTEST_REDACTED).then(|| Finder::new(escaped.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::Credential;

    #[test]
    fn secret_is_blanked_wherever_it_is_echoed() {
        let credential = Credential::parse("rly_0123456789abcdef").unwrap();
        let echoed = b"{\"a\":\"rly_0123456789abcdef\",\"b\":\"x rly_0123456789abcdef\"}".to_vec();
        assert_eq!(
            credential.redact(echoed),
            b"{\"a\":\"********\",\"b\":\"x ********\"}"
        );
    }

    #[test]
    fn secret_half_of_the_longer_form_is_blanked_alone() {
        let credential = Credential::parse("agent:rly_0123456789abcdef").unwrap();
        assert_eq!(
            credential.redact(b"rly_0123456789abcdef".to_vec()),
            b"********"
        );
    }

    #[test]
    fn words_are_left_alone() {
        let credential = Credential::parse("allow").unwrap();
        assert_eq!(credential.redact(b"allow".to_vec()), b"allow");
    }

    #[test]
    fn header_breakers_are_refused() {
        for text in ["", "a b", "a\r\nb", "a\tb", "gehe\u{fc}im", "a\u{7f}"] {
            assert!(Credential::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let credential = Credential::parse("rly_0123456789abcdef").unwrap();
        assert!(!format!("{credential:?}").contains("0123"));
    }
}
