//! Reading a request's body: bounded in bytes and in time

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use relynt_api::ErrorCode;
use tokio::time::{Instant, timeout_at};

use crate::{error::Refusal, limits::Limits};

/// Reads a whole JSON body of at most `most` bytes.
///
/// # Errors
/// 415 if it is not declared as JSON or is encoded, 413 if it is too long, 400 if it does not come
/// or not in time.
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Lent,
    most: usize,
    limits: &Limits,
) -> Result<Bytes, Refusal> {
    check_type(headers)?;
    read(body, most, limits).await
}

/// Exactly one `Content-Type`, JSON in UTF-8, and no `Content-Encoding`.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported = |detail| Err(Refusal::new(ErrorCode::UnsupportedMediaType, detail));
    if headers.contains_key(header::CONTENT_ENCODING) {
        return unsupported("a body with `Content-Encoding` is not read");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let json = match (types.next().map(|value| value.to_str()), types.next()) {
        (Some(Ok(value)), None) => is_json(value),
        _ => false,
    };
    if json {
        Ok(())
    } else {
        unsupported("the header `Content-Type` must be `application/json`")
    }
}

fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

async fn read<B>(mut body: B, most: usize, limits: &Limits) -> Result<Bytes, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let too_long = || {
        Refusal::new(
            ErrorCode::PayloadTooLarge,
            format!("the body is longer than {most} bytes"),
        )
    };
    let hint = body.size_hint();
    if hint.lower() > most as u64 {
        return Err(too_long());
    }
    let end = Instant::now() + limits.body_total;
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    loop {
        let by = end.min(Instant::now() + limits.body_idle);
        let frame = match timeout_at(by, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                return Err(Refusal::bad_request("the body could not be read").closing());
            }
            Ok(None) => break,
            Err(_) => {
                return Err(Refusal::bad_request("the body did not arrive in time").closing());
            }
        };
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        let length = first.as_ref().map_or(whole.len(), Bytes::len) + piece.len();
        if length > most {
            return Err(too_long());
        }
        // The usual body comes in one piece and is not copied.
        match (first.take(), whole.is_empty()) {
            (None, true) => first = Some(piece),
            (Some(earlier), _) => {
                whole.reserve(length);
                whole.extend_from_slice(&earlier);
                whole.extend_from_slice(&piece);
            }
            (None, false) => whole.extend_from_slice(&piece),
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// A body that can be drained by whoever keeps its [`Rest`], after the reader has dropped it.
///
/// An answer that is given before the body was read would be lost if the connection were closed
/// under the client's hands: the kernel throws away what the client has not read yet.
#[derive(Clone)]
pub(crate) struct Lent(Option<Shared>);

type Shared = Arc<Mutex<Option<Incoming>>>;

/// What was not read of a [`Lent`] body.
pub(crate) struct Rest(Shared);

/// Lends a body, and keeps a hand on it if there is one that the client sends without asking first.
pub(crate) fn lend(headers: &HeaderMap, body: Incoming) -> (Lent, Option<Rest>) {
    if body.is_end_stream() {
        return (Lent::none(), None);
    }
    let shared = Arc::new(Mutex::new(Some(body)));
    let rest = (!headers.contains_key(header::EXPECT)).then(|| Rest(Arc::clone(&shared)));
    (Lent(Some(shared)), rest)
}

impl Lent {
    /// No body at all.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Incoming) -> T) -> Option<T> {
        let mut body = self
            .0
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        body.as_mut().map(work)
    }
}

impl Rest {
    /// Reads and forgets what is left, within `most` bytes and `time`.
    pub(crate) async fn drain(self, most: usize, time: Duration) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = taken else { return };
        let drained = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, Bytes::len);
                if seen > most {
                    break;
                }
            }
        };
        // Too long or too slow: then the connection is closed over it, as it would have been.
        drop(tokio::time::timeout(time, drained).await);
    }

    /// Whether anything is left.
    pub(crate) fn is_left(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .is_some_and(|body| !body.is_end_stream())
    }
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
            .unwrap_or(Poll::Ready(None))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream()).unwrap_or(true)
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
            .unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{HeaderMap, header};

    use super::{check_type, is_json, read};
    use crate::limits::Limits;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/json",
            "application/json; charset=latin1",
            "application/json; profile=x",
            "application/jsonx",
            "application/problem+json",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn an_encoded_body_is_not_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert!(check_type(&headers).is_ok());
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(check_type(&headers).is_err());
    }

    #[tokio::test]
    async fn pieces_are_joined_and_the_bound_counts_them_together() {
        let pieces = |n: usize| {
            Body::from_stream(futures_util::stream::iter(
                (0..n).map(|_| Ok::<_, std::io::Error>("abcd")),
            ))
        };
        let limits = Limits::default();
        assert_eq!(read(pieces(1), 12, &limits).await.unwrap(), "abcd");
        assert_eq!(read(pieces(3), 12, &limits).await.unwrap(), "abcdabcdabcd");
        assert_eq!(read(Body::empty(), 12, &limits).await.unwrap(), "");
        let refused = read(pieces(4), 12, &limits).await.unwrap_err();
        assert_eq!(refused.to_string(), "the body is longer than 12 bytes");
    }
}
