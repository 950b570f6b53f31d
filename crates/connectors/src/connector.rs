//! The gateway's `Connectors` and `Connector` ports over HTTP.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use http::{HeaderName, HeaderValue};
use relynt_domain::{ConnectorDefinition, ConnectorId, ConnectorRecord, Fault, OrganizationId};
use relynt_egress::{Egress, PlainHttp};
use relynt_gateway::ports::{Clock, Connector, Connectors, Done, Permit, RouteFault, Slot};
use relynt_json::Value;
use relynt_policy::Pattern;
use tokio::sync::Semaphore;

use crate::attempt::{Sender, budget};
use crate::base_url::BaseUrl;
use crate::definition::{self, Ground, read_routes};
use crate::headers;
use crate::reading::Faults;
use crate::redact::Redactor;
use crate::request::Shape;
use crate::route::Route;

/// What the operator decides about all connectors.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether targets may be called in clear (development).
    pub plain_http: PlainHttp,
    /// How many executions one connector may have at once.
    pub slots: usize,
}

impl Default for Options {
    /// `https` only, 64 at once.
    fn default() -> Self {
        Self {
            plain_http: PlainHttp::Refused,
            slots: 64,
        }
    }
}

/// Reads definitions and makes them callable.
pub struct HttpConnectors {
    egress: Egress,
    clock: Arc<dyn Clock>,
    options: Options,
    slots: Mutex<HashMap<ConnectorId, Weak<Semaphore>>>,
}

impl HttpConnectors {
    /// Connectors that go out through `egress`. The clock's `uptime` bounds what is sent.
    pub fn new(egress: Egress, clock: Arc<dyn Clock>, options: Options) -> Self {
        Self {
            egress,
            clock,
            options,
            slots: Mutex::default(),
        }
    }

    fn ground(&self, organization: OrganizationId) -> Ground<'_> {
        Ground {
            organization,
            rules: self.egress.rules(),
            plain: self.options.plain_http,
        }
    }

    /// The places of a connector, shared by its versions as long as one of them lives.
    fn places(&self, id: ConnectorId) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = slots.get(&id).and_then(Weak::upgrade) {
            return places;
        }
        slots.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.options.slots));
        slots.insert(id, Arc::downgrade(&places));
        places
    }

    pub(crate) fn compiled(
        &self,
        organization: OrganizationId,
        record: &ConnectorRecord,
    ) -> Result<HttpConnector, String> {
        let definition = &record.definition;
        let pattern = |text: &str| Pattern::parse(text).map_err(|error| error.to_string());
        let mut faults = Faults::default();
        let routes = read_routes(&definition.routes, None, &mut faults);
        let routes = faults.into_result(Some(routes)).map_err(|faults| {
            faults.first().map_or_else(String::new, |fault| {
                format!("{}: {}", fault.pointer, fault.detail)
            })
        })?;
        let base = BaseUrl::parse(&definition.base_url)?;
        Ok(HttpConnector {
            egress: self.egress.clone(),
            clock: Arc::clone(&self.clock),
            organization,
            id: record.id,
            action: pattern(&definition.action)?,
            resource: pattern(&definition.resource_pattern)?,
            unreachable: self.ground(organization).check(&base).err(),
            base,
            headers: headers::sendable(&definition.headers)?,
            redactor: Redactor::new(&definition.headers),
            timeout: Duration::from_millis(definition.timeout_ms.into()),
            binding: binding(record),
            routes,
            places: self.places(record.id),
        })
    }
}

impl Connectors for HttpConnectors {
    fn check(
        &self,
        organization: OrganizationId,
        body: &Value,
        current: Option<&ConnectorDefinition>,
    ) -> Result<ConnectorDefinition, Vec<Fault>> {
        definition::check(body, current, self.ground(organization))
    }

    fn compile(
        &self,
        organization: OrganizationId,
        record: &ConnectorRecord,
    ) -> Result<Arc<dyn Connector>, String> {
        Ok(Arc::new(self.compiled(organization, record)?))
    }
}

/// One callable connector.
pub(crate) struct HttpConnector {
    egress: Egress,
    clock: Arc<dyn Clock>,
    organization: OrganizationId,
    id: ConnectorId,
    action: Pattern,
    resource: Pattern,
    base: BaseUrl,
    /// Why the operator's rules, which may have changed since it was saved, do not let it be called.
    unreachable: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    redactor: Redactor,
    timeout: Duration,
    binding: [u8; 32],
    routes: BTreeMap<String, Route>,
    places: Arc<Semaphore>,
}

impl HttpConnector {
    pub(crate) fn sender(&self, action: &str) -> Sender<'_> {
        Sender {
            egress: &self.egress,
            clock: &self.clock,
            organization: self.organization,
            connector: self.id,
            redactor: &self.redactor,
            timeout: self.timeout,
            unreachable: self.unreachable.as_deref(),
            shape: Shape {
                base: &self.base,
                route: self.routes.get(action),
                headers: &self.headers,
            },
        }
    }
}

#[async_trait]
impl Connector for HttpConnector {
    fn matches(&self, action: &str, resource: &str) -> bool {
        self.action.matches(action) && self.resource.matches(resource)
    }

    fn check_route(
        &self,
        action: &str,
        resource: &str,
        payload: Option<&Value>,
    ) -> Result<(), RouteFault> {
        let Some(route) = self.routes.get(action) else {
            return Ok(());
        };
        route
            .check(&self.base, resource, payload)
            .map_err(RouteFault)
    }

    fn binding(&self) -> [u8; 32] {
        self.binding
    }

    fn budget(&self, _action: &str) -> Duration {
        budget(self.timeout)
    }

    fn try_slot(&self) -> Option<Slot> {
        Arc::clone(&self.places)
            .try_acquire_owned()
            .ok()
            .map(Slot::new)
    }

    async fn execute(&self, permit: Permit) -> Done {
        let request = permit.redeem();
        let action = request.call.action.clone();
        self.sender(action.as_str()).perform(request).await
    }
}

/// SHA-256 over id, base address and routes, each ended by a zero byte.
fn binding(record: &ConnectorRecord) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    let definition = &record.definition;
    for part in [
        record.id.to_string(),
        definition.base_url.clone(),
        definition.routes.to_canonical(),
    ] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let mut binding = [0; 32];
    binding.copy_from_slice(context.finish().as_ref());
    binding
}
