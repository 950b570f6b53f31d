//! A gateway with two organizations, and a client that keeps what it sees

use std::{any::Any, net::SocketAddr, time::Duration};

use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::Client, client::legacy::connect::HttpConnector, rt::TokioExecutor,
};
use relynt_server::{
    DatabaseUrl, Ended, Installation, InstallationOptions, Limits, ServingOptions, StoreUrl, bind,
};
use relynt_testkit::postgres::{OWNER, PostgresServer, PostgresVersion};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};
use zeroize::Zeroizing;

/// What a test waits for at most: a hang fails, slowness does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success with this status.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The problem with this status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for field in [
            "type",
            "title",
            "detail",
            "errors",
            "receipt_id",
            "execution",
            "tool_response",
        ] {
            assert!(
                problem.get(field).is_some(),
                "`{field}` is missing: {}",
                self.text
            );
        }
        problem
    }
}

/// An organization with an agent.
pub(crate) struct Tenant {
    pub(crate) organization: String,
    pub(crate) owner: String,
    pub(crate) agent: String,
    pub(crate) secret: String,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) one: Tenant,
    pub(crate) two: Tenant,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<Ended>,
    _ground: Box<dyn Any + Send>,
}

/// The published example of a policy.
pub(crate) fn published_policy() -> Value {
    json!([
        {"id": "closing", "action": "update_deal", "resource_pattern": "crm:deal:*",
         "decision": "require_approval", "risk_level": "high",
         "conditions": {"require_approval_if_stage": ["closed_won"]}},
        {"action": "update_deal", "resource_pattern": "crm:deal:*", "decision": "allow",
         "risk_level": "low"},
        {"action": "*", "resource_pattern": "*", "decision": "deny", "risk_level": "medium"}
    ])
}

impl Server {
    /// Starts one, with the published policy active in both organizations.
    pub(crate) async fn start() -> Self {
        Self::start_with(Self::limits()).await
    }

    /// The same on a PostgreSQL server of its own.
    pub(crate) async fn start_on_postgres() -> Self {
        let server = PostgresServer::start_with_schema(PostgresVersion::Fifteen).await;
        let url = Zeroizing::new(server.url(OWNER, "relynt"));
        let store = StoreUrl::Postgres(DatabaseUrl::new(url));
        Self::start_on(store, Box::new(server), Self::limits()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreUrl::Sqlite(folder.path().join("data"));
        Self::start_on(store, Box::new(folder), limits).await
    }

    fn limits() -> Limits {
        Limits {
            drain: Duration::from_secs(5),
            ..Limits::default()
        }
    }

    async fn start_on(store: StoreUrl, ground: Box<dyn Any + Send>, limits: Limits) -> Self {
        let (api, address) = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (metrics_listener, metrics) = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let installation = Installation::open(InstallationOptions {
            bringers: relynt_store::Bringers::new(0),
            store,
            master_key: Zeroizing::new(std::array::from_fn(|at| u8::try_from(at).unwrap())),
            connector_allow: "127.0.0.0/8".to_owned(),
            plain_http: true,
            own_listeners: vec![address, metrics],
        })
        .await
        .unwrap();
        let mut created = Vec::new();
        for (name, email) in [("One", "ada@example.com"), ("Two", "bob@example.com")] {
            created.push(
                installation
                    .gateway
                    .create_organization(name, email)
                    .await
                    .unwrap(),
            );
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let options = ServingOptions {
            api,
            metrics: metrics_listener,
            public_url: format!("http://{address}"),
            limits,
        };
        let serving = installation.serve(options, async move { drop(stopped.await) });
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no background of its own"
        )]
        let served = tokio::spawn(async move { serving.await.unwrap() });
        let mut server = Self {
            address,
            metrics,
            one: Tenant::empty(),
            two: Tenant::empty(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            stop: Some(stop),
            served,
            _ground: ground,
        };
        let [one, two] = created
            .try_into()
            .unwrap_or_else(|_| panic!("two organizations"));
        server.one = server
            .tenant(&one.organization.to_string(), &one.access_token)
            .await;
        server.two = server
            .tenant(&two.organization.to_string(), &two.access_token)
            .await;
        server
    }

    async fn tenant(&self, organization: &str, owner: &str) -> Tenant {
        let policy = self
            .call(
                Method::POST,
                "/v1/policies",
                owner,
                Some(json!({"rules": published_policy()})),
            )
            .await
            .ok(201);
        let version = policy["version"].as_str().unwrap();
        self.call(
            Method::POST,
            &format!("/v1/policies/{version}/activate"),
            owner,
            None,
        )
        .await
        .ok(200);
        let agent = self.new_agent(owner, "agent").await;
        let secret = self.rotate(owner, &agent, json!({})).await;
        Tenant {
            organization: organization.to_owned(),
            owner: owner.to_owned(),
            agent,
            secret,
        }
    }

    pub(crate) async fn new_agent(&self, owner: &str, name: &str) -> String {
        let agent = self
            .call(
                Method::POST,
                "/v1/agents",
                owner,
                Some(json!({"name": name})),
            )
            .await
            .ok(201);
        agent["agent_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn rotate(&self, owner: &str, agent: &str, body: Value) -> String {
        let rotated = self
            .call(
                Method::POST,
                &format!("/v1/agents/{agent}/rotate"),
                owner,
                Some(body),
            )
            .await
            .ok(200);
        rotated["agent_secret"].as_str().unwrap().to_owned()
    }

    /// A token of the first organization's Owner with less to say.
    pub(crate) async fn token(&self, role: &str, scopes: &[&str]) -> String {
        let body =
            json!({"name": format!("{role} {}", scopes.join(" ")), "role": role, "scopes": scopes});
        let token = self
            .call(Method::POST, "/v1/tokens", &self.one.owner, Some(body))
            .await
            .ok(201);
        token["token"].as_str().unwrap().to_owned()
    }

    /// One request with a bearer credential and perhaps a JSON body.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<Value>,
    ) -> Seen {
        let mut request = http::Request::builder().method(method).uri(path);
        if !bearer.is_empty() {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, bearer: &str) -> Seen {
        self.call(Method::GET, path, bearer, None).await
    }

    /// One tool call.
    pub(crate) async fn ask(&self, secret: &str, key: &str, body: &Value) -> Seen {
        self.send(tool_call(secret, key, body.to_string())).await
    }

    /// One request as it is, but for the address.
    pub(crate) async fn send(&self, request: http::Request<String>) -> Seen {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("http://{}{}", self.address, parts.uri)
            .parse()
            .unwrap();
        let request = http::Request::from_parts(parts, Full::new(body.into()));
        let sent = tokio::time::timeout(PATIENCE, async {
            let response = self.client.request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            (parts, body.collect().await.unwrap().to_bytes())
        });
        let (parts, body) = sent.await.expect("no answer in time");
        let seen = Seen {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        };
        assert!(!seen.header("x-request-id").is_empty(), "{seen:?}");
        seen
    }

    /// Everything that `/metrics` says.
    pub(crate) async fn metrics_text(&self) -> String {
        let uri = format!("http://{}/metrics", self.metrics).parse().unwrap();
        let response = self.client.get(uri).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// Tells it to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }
}

impl Tenant {
    fn empty() -> Self {
        Self {
            organization: String::new(),
            owner: String::new(),
            agent: String::new(),
            secret: String::new(),
        }
    }
}

/// A tool call, to be changed before it is sent.
pub(crate) fn tool_call(secret: &str, key: &str, body: String) -> http::Request<String> {
    http::Request::builder()
        .method(Method::POST)
        .uri("/v1/agent-tool-call")
        .header("authorization", format!("Bearer {secret}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(body)
        .unwrap()
}

/// An update of a deal.
pub(crate) fn update(payload: &Value) -> Value {
    json!({"action": "update_deal", "resource": "crm:deal:123", "instance_id": "run-1",
           "payload": payload})
}
