//! What every handler has at hand

use std::{future::Future, sync::Arc};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use relynt_api::ErrorCode;
use relynt_domain::{Role, Scope};
use relynt_gateway::{Caller, Gateway, Person, Place, Places, Principal};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    background::Background, cx::Cx, error::Refusal, limits::Limits, metrics::Metrics,
    notes::CallerId, stage_metrics::StageTimes,
};

/// What a handler gives back.
pub(crate) type Answer = Result<Response, Refusal>;

/// The state of the API.
pub(crate) struct App {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) background: Background,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stages: Arc<StageTimes>,
    /// The bound on decisions under way.
    pub(crate) decisions: Arc<Places>,
    /// How clients reach the gateway, without a slash at the end.
    pub(crate) public_url: String,
}

impl App {
    /// Who calls, whoever it is. A person needs the scope `read`.
    pub(crate) fn reader(&self, cx: &Cx) -> Result<Principal, Refusal> {
        let principal = self.authenticate(cx)?;
        if let Principal::Person(person) = &principal {
            person.require(Role::Viewer, Scope::Read)?;
        }
        Ok(principal)
    }

    /// The agent that calls.
    pub(crate) fn agent(&self, cx: &Cx) -> Result<Caller, Refusal> {
        match self.authenticate(cx)? {
            Principal::Agent(caller) => Ok(caller),
            Principal::Person(_) => Err(Refusal::new(
                ErrorCode::Forbidden,
                "this is for agents, with an agent's credential",
            )),
        }
    }

    /// The person who calls. What they may is the gateway's to check where it changes something.
    pub(crate) fn person(&self, cx: &Cx) -> Result<Person, Refusal> {
        match self.authenticate(cx)? {
            Principal::Person(person) => Ok(person),
            Principal::Agent(_) => Err(Refusal::new(
                ErrorCode::Forbidden,
                "this is for people, with an access token",
            )),
        }
    }

    /// The person who calls, with at least this role and the scope `read`.
    pub(crate) fn person_reading(&self, cx: &Cx, role: Role) -> Result<Person, Refusal> {
        let person = self.person(cx)?;
        person.require(role, Scope::Read)?;
        Ok(person)
    }

    /// The person who calls, if they may change things with at least this role: asked before the
    /// body is read. The gateway asks again in the change itself.
    pub(crate) fn person_managing(&self, cx: &Cx, role: Role) -> Result<Person, Refusal> {
        let person = self.person(cx)?;
        person.require(role, Scope::Manage)?;
        Ok(person)
    }

    fn authenticate(&self, cx: &Cx) -> Result<Principal, Refusal> {
        let began = Instant::now();
        let authenticated = self.gateway.authenticate(cx.bearer()?);
        self.stages.authenticated(began.elapsed());
        let principal = authenticated?;
        cx.notes.note(|noted| {
            noted.organization = Some(principal.organization());
            noted.caller = Some(match &principal {
                Principal::Agent(caller) => CallerId::Agent(caller.agent()),
                Principal::Person(person) => CallerId::Person(person.user()),
            });
        });
        Ok(principal)
    }

    /// A place among the decisions under way.
    ///
    /// # Errors
    /// 503: all are taken.
    pub(crate) fn place(&self) -> Result<Place, Refusal> {
        self.decisions.take().ok_or_else(|| {
            self.metrics.decision_refused();
            Refusal::too_many()
        })
    }

    /// Does `work` to its end, though the client may leave: whatever it commits is followed
    /// through.
    pub(crate) fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Refusal>> + Send + 'static {
        // Not an async function, which would hold the work beside its box.
        let running = self.background.to_the_end(work);
        async move {
            let running =
                running.map_err(|full| Refusal::new(ErrorCode::Unavailable, full.to_string()))?;
            running.await.map_err(|_| Refusal::internal())
        }
    }
}

/// An answer with a JSON body.
pub(crate) fn json<T: Serialize>(status: StatusCode, body: &T) -> Answer {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!("an answer could not be written: {error}");
        Refusal::internal()
    })?;
    Ok(raw_json(status, bytes))
}

/// An answer whose body is JSON already.
pub(crate) fn raw_json(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = (status, body.into()).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// An answer without a body.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
