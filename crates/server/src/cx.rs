//! One request as a handler sees it

use std::{convert::Infallible, str::FromStr, sync::Arc};

use axum::extract::{FromRequest, FromRequestParts as _, MatchedPath, RawPathParams, Request};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use relynt_domain::Fault;
use relynt_json::Value;

use crate::{
    body::{Lent, read_json},
    error::Refusal,
    fields::Fields,
    limits::{Limits, MANAGEMENT_BODY},
    notes::Notes,
    query::Query,
};

/// A request, its body not yet read.
pub(crate) struct Cx {
    parts: Parts,
    body: Lent,
    params: Vec<(String, String)>,
    /// What the log line will say.
    pub(crate) notes: Arc<Notes>,
}

/// What goes with a request through the router.
#[derive(Clone)]
pub(crate) struct Carried {
    pub(crate) notes: Arc<Notes>,
    pub(crate) body: Lent,
}

impl<S: Send + Sync> FromRequest<S> for Cx {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (mut parts, _) = request.into_parts();
        let Carried { notes, body } = parts.extensions.remove().unwrap_or_else(|| Carried {
            notes: Arc::new(Notes::new(String::new())),
            body: Lent::none(),
        });
        if let Some(path) = parts.extensions.remove::<MatchedPath>() {
            notes.note(|noted| noted.route = Some(path));
        }
        // A segment that is no text is an id that does not exist: `id` refuses its absence.
        let params = RawPathParams::from_request_parts(&mut parts, &())
            .await
            .map(|params| {
                params
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        Ok(Self {
            parts,
            body,
            params,
            notes,
        })
    }
}

impl Cx {
    /// A request that did not go through the router, with its parameters in the path.
    pub(crate) fn direct(parts: Parts, carried: Carried, params: Vec<(String, String)>) -> Self {
        Self {
            parts,
            body: carried.body,
            params,
            notes: carried.notes,
        }
    }

    /// The request's id.
    pub(crate) fn request_id(&self) -> &str {
        &self.notes.request_id
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// An id, or a version, in the path.
    ///
    /// # Errors
    /// 404: a malformed one is one that does not exist.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, text)| text.parse().ok())
            .ok_or_else(Refusal::not_found)
    }

    /// The query, which may have these parameters.
    ///
    /// # Errors
    /// 400 naming an unknown or repeated one.
    pub(crate) fn query(&self, known: &[&str]) -> Result<Query, Refusal> {
        Query::read(self.parts.uri.query(), known)
    }

    /// The text of the bearer credential.
    ///
    /// # Errors
    /// 401: there is none, or not exactly one, or it is of another scheme.
    pub(crate) fn bearer(&self) -> Result<&str, Refusal> {
        bearer(&self.parts.headers)
    }

    /// The body as strict JSON of at most `most` bytes.
    ///
    /// # Errors
    /// 415, 413 or 400.
    pub(crate) async fn json(self, most: usize, limits: &Limits) -> Result<Value, Refusal> {
        parse(&self.bytes(most, limits).await?)
    }

    /// The body of at most `most` bytes that says it is JSON, for [`parse`].
    ///
    /// # Errors
    /// 415, 413 or 400.
    pub(crate) async fn bytes(self, most: usize, limits: &Limits) -> Result<Bytes, Refusal> {
        read_json(&self.parts.headers, self.body, most, limits).await
    }

    /// The same, where no body at all is the empty object.
    ///
    /// # Errors
    /// 415, 413 or 400.
    pub(crate) async fn optional_json(
        self,
        most: usize,
        limits: &Limits,
    ) -> Result<Value, Refusal> {
        if http_body::Body::is_end_stream(&self.body) {
            return Ok(Value::Object(relynt_json::Object::new()));
        }
        self.json(most, limits).await
    }

    /// Makes sure that there is no body, or the empty object.
    ///
    /// # Errors
    /// 415, 413 or 400.
    pub(crate) async fn no_body(self, limits: &Limits) -> Result<(), Refusal> {
        let body = self.optional_json(MANAGEMENT_BODY, limits).await?;
        Fields::of(body)?.end(Some(()))
    }
}

/// Strict JSON.
///
/// # Errors
/// 400, naming the place.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    relynt_json::parse(bytes).map_err(|error| {
        let detail = error.to_string();
        Refusal::faults(vec![Fault::new(error.pointer, detail)])
    })
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let refused = |detail| Refusal::new(relynt_api::ErrorCode::Unauthorized, detail);
    let value = values
        .next()
        .ok_or_else(|| refused("the header `Authorization: Bearer …` is missing"))?;
    if values.next().is_some() {
        return Err(refused("the header `Authorization` is given twice"));
    }
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, credential)| credential.trim_matches(' '))
        .filter(|credential| !credential.is_empty())
        .ok_or_else(|| refused("the header `Authorization` must be `Bearer …`"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::{bearer, parse};

    #[test]
    fn a_bearer_credential_is_exactly_one() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned).ok()
        };
        assert_eq!(with(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["bearer  abc "]).as_deref(), Some("abc"));
        for bad in [
            &[][..],
            &["abc"],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer abc", "Bearer abc"],
        ] {
            assert_eq!(with(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_strict_json_is_told_its_place() {
        let refusal = parse(br#"{"payload":{"a":1,"a":2}}"#).unwrap_err();
        assert_eq!(refusal.faults[0].pointer, "/payload/a");
        assert!(!refusal.detail.is_empty());
    }
}
