//! A permitted call, a clock that can be moved, and a scripted target: for this crate's own tests,
//! since only the gateway makes permits.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use relynt_domain::{
    Action, AgentId, ConnectorId, ConnectorRecord, CredentialId, ExecutionId, IdempotencyKey,
    InstanceId, OrganizationId, ReceiptId, Resource, Timestamp, ToolCall,
};
use relynt_egress::{AddressRules, Egress, PlainHttp, Resolve, Roots};
use relynt_gateway::ports::{Clock, Connectors as _, Done, PermitRequest, Slot};
use relynt_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::connector::{HttpConnector, HttpConnectors, Options};

pub(crate) const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);

/// The machine's time, and a leap that a test gives it.
#[derive(Debug)]
pub(crate) struct Leaping {
    since: Instant,
    leap_ms: AtomicU64,
}

impl Leaping {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            leap_ms: AtomicU64::new(0),
        })
    }

    /// As if the machine had slept so long.
    pub(crate) fn leap(&self, by: Duration) {
        self.leap_ms
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Leaping {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(0)
    }

    fn uptime(&self) -> Duration {
        self.since.elapsed() + Duration::from_millis(self.leap_ms.load(Ordering::SeqCst))
    }
}

/// A call of `act` on `crm:deal:7`.
pub(crate) fn call(payload: Option<&str>) -> ToolCall {
    let payload = payload.map(|text| relynt_json::parse(text.as_bytes()).unwrap());
    ToolCall {
        organization: ORGANIZATION,
        agent: AgentId::from_bytes([2; 16]),
        credential: CredentialId::from_bytes([3; 16]),
        key: IdempotencyKey::new(b"key-1").unwrap(),
        action: Action::new("act").unwrap(),
        resource: Resource::new("crm:deal:7").unwrap(),
        instance_id: InstanceId::new("run-1").unwrap(),
        payload_canonical: payload.as_ref().unwrap_or(&Value::Null).to_canonical(),
        payload,
        facts: "{}".into(),
        facts_hash: [0; 32],
        request_hash: [0; 32],
        request_digest: [0; 32],
        received_at: Timestamp::from_unix_millis(0),
        request_id: "request".to_owned(),
        traceparent: None,
    }
}

pub(crate) fn permit(call: ToolCall, committed_at: Duration) -> PermitRequest {
    PermitRequest {
        call: Arc::new(call),
        execution: ExecutionId::from_bytes([4; 16]),
        receipt: ReceiptId::from_bytes([5; 16]),
        approval: None,
        committed_at,
        deadline: committed_at + Duration::from_secs(30),
        slot: Slot::new(()),
    }
}

/// A connector on loopback.
pub(crate) struct Bench {
    pub(crate) clock: Arc<Leaping>,
    pub(crate) connector: HttpConnector,
    record: ConnectorRecord,
}

impl Bench {
    pub(crate) fn new(base_url: &str, fields: &str) -> Self {
        Self::resolving(base_url, fields, Leaping::new(), None)
    }

    pub(crate) fn resolving(
        base_url: &str,
        fields: &str,
        clock: Arc<Leaping>,
        resolver: Option<Arc<dyn Resolve>>,
    ) -> Self {
        let connectors = connectors("127.0.0.0/8", PlainHttp::Allowed, &clock, resolver);
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!(",{fields}")
        };
        let body = format!(
            r#"{{"name":"CRM","action":"*","resource_pattern":"*","base_url":"{base_url}"{fields}}}"#
        );
        let body = relynt_json::parse(body.as_bytes()).unwrap();
        let record = ConnectorRecord {
            id: ConnectorId::from_bytes([6; 16]),
            version: 1,
            definition: connectors.check(ORGANIZATION, &body, None).unwrap(),
            created_at: Timestamp::from_unix_millis(0),
        };
        Self {
            clock,
            connector: connectors.compiled(ORGANIZATION, &record).unwrap(),
            record,
        }
    }

    /// The same connector after the operator has changed the rules.
    pub(crate) fn under(self, allow: &str, plain: PlainHttp) -> Self {
        let connectors = connectors(allow, plain, &self.clock, None);
        Self {
            connector: connectors.compiled(ORGANIZATION, &self.record).unwrap(),
            ..self
        }
    }

    pub(crate) async fn perform(&self, call: ToolCall) -> Done {
        let permit = permit(call, self.clock.uptime());
        self.connector.sender("act").perform(permit).await
    }
}

fn connectors(
    allow: &str,
    plain_http: PlainHttp,
    clock: &Arc<Leaping>,
    resolver: Option<Arc<dyn Resolve>>,
) -> HttpConnectors {
    let rules = AddressRules::parse(allow).unwrap();
    let mut egress = Egress::new(rules, Roots::only([]).unwrap()).unwrap();
    if let Some(resolver) = resolver {
        egress = egress.with_resolver(resolver);
    }
    let options = Options {
        plain_http,
        ..Options::default()
    };
    HttpConnectors::new(egress, Arc::clone(clock) as Arc<dyn Clock>, options)
}

/// What a target does with one connection.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Reads the request and closes.
    Hear,
    /// Reads the request and answers.
    Answer(String),
    /// Reads the request, answers and holds the connection until the other side goes.
    Hold(String),
}

/// Answers each connection in turn, the last way for ever, and keeps what it read.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Target {
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), acts)
    }

    pub(crate) fn on(listener: TcpListener, acts: Vec<Act>) -> Self {
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let keep = Arc::clone(&heard);
        tokio::spawn(async move {
            for at in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                counter.send_modify(|count| *count += 1);
                let act = acts.get(at).or(acts.last()).unwrap().clone();
                serve(stream, act, &keep).await;
            }
        });
        Self {
            address,
            heard,
            count,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.count.borrow()
    }
}

async fn serve(mut stream: TcpStream, act: Act, heard: &Mutex<Vec<String>>) {
    let request = read(&mut stream).await;
    heard.lock().unwrap().push(request);
    if let Act::Answer(answer) | Act::Hold(answer) = &act {
        // The other side may have gone.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
    if matches!(act, Act::Hold(_)) {
        let _ = stream.read(&mut [0]).await;
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        text.extend_from_slice(&buffer[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        let whole = so_far.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().unwrap())
        });
        if whole || count == 0 {
            return so_far;
        }
    }
}

/// An answer with a status and a JSON body.
pub(crate) fn answer(status: u16, body: &str) -> Act {
    Act::Answer(text(status, body))
}

pub(crate) fn text(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
