//! The document that describes the API

use std::collections::BTreeMap;

use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&relynt_server::openapi_document()).unwrap()
}

/// Every operation with the name of its method and path.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

/// Follows references.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            let found = &document["components"]["schemas"][name];
            assert!(!found.is_null(), "`{name}` is referred to and not there");
            found
        }
        None => schema,
    }
}

/// Whether a schema says what a body looks like: an object with named properties, itself or in
/// every alternative.
fn is_typed(document: &Value, schema: &Value) -> bool {
    let schema = resolved(document, schema);
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return alternatives
            .iter()
            .all(|one| one["type"] == "null" || is_typed(document, one));
    }
    schema["properties"]
        .as_object()
        .is_some_and(|all| !all.is_empty())
}

#[test]
fn it_is_openapi_3_1() {
    assert_eq!(document()["openapi"], "3.1.0");
}

#[test]
fn no_operation_has_an_untyped_body() {
    let document = document();
    for (name, operation) in operations(&document) {
        if let Some(body) = operation.get("requestBody") {
            let schema = &body["content"]["application/json"]["schema"];
            assert!(is_typed(&document, schema), "{name}: {schema}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let Some(content) = response["content"].as_object() else {
                assert_eq!(status, "204", "{name}");
                continue;
            };
            for (media, content) in content {
                let expected =
                    if status.starts_with('2') || name == "get /readyz" && status == "503" {
                        "application/json"
                    } else {
                        "application/problem+json"
                    };
                assert_eq!(media, expected, "{name} {status}");
                assert!(is_typed(&document, &content["schema"]), "{name} {status}");
            }
        }
    }
}

#[test]
fn every_reference_is_there() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(object) => {
                resolved(document, value);
                object.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document);
}

#[test]
fn every_field_of_an_answer_is_required_and_every_request_refuses_what_it_does_not_know() {
    let document = document();
    for (name, operation) in operations(&document) {
        if let Some(body) = operation.get("requestBody") {
            let schema = &body["content"]["application/json"]["schema"];
            let schema = match schema["oneOf"].as_array() {
                Some(alternatives) => alternatives
                    .iter()
                    .find(|one| one["type"] != "null")
                    .unwrap(),
                None => schema,
            };
            let schema = resolved(&document, schema);
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
        for response in operation["responses"].as_object().unwrap().values() {
            for content in response["content"]
                .as_object()
                .into_iter()
                .flat_map(|all| all.values())
            {
                let schema = resolved(&document, &content["schema"]);
                let fields = schema["properties"].as_object().unwrap();
                let required = schema["required"].as_array().unwrap();
                assert_eq!(fields.len(), required.len(), "{name}: {required:?}");
            }
        }
    }
}

#[test]
fn every_operation_says_who_may_call_it_and_what_it_may_refuse() {
    let document = document();
    let operations = operations(&document);
    let mut ids: Vec<_> = operations
        .values()
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), operations.len());
    for (name, operation) in operations {
        let open = !name.contains("/v1/");
        assert_eq!(operation["security"].is_array(), !open, "{name}");
        let mut statuses = vec!["400", "500"];
        if !open {
            statuses.extend(["401", "403", "503"]);
        }
        if name.contains('{') {
            statuses.push("404");
        }
        if operation.get("requestBody").is_some() {
            statuses.extend(["413", "415"]);
        }
        for status in statuses {
            assert!(
                operation["responses"][status].is_object(),
                "{name} {status}"
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["headers"]["X-Request-Id"].is_object(),
                "{name} {status}"
            );
        }
    }
}

#[test]
fn these_are_the_operations() {
    let document = document();
    let operations: Vec<_> = operations(&document).into_keys().collect();
    insta::assert_snapshot!(operations.join("\n"), @r"
    delete /v1/agents/{agent_id}/credentials/{credential_id}
    delete /v1/connectors/{connector_id}
    delete /v1/tokens/{token_id}
    get /.well-known/relynt-keys.json
    get /healthz
    get /readyz
    get /v1/agents
    get /v1/agents/{agent_id}
    get /v1/agents/{agent_id}/credentials
    get /v1/approvals
    get /v1/approvals/{approval_id}
    get /v1/connectors
    get /v1/connectors/{connector_id}
    get /v1/executions/{execution_id}
    get /v1/organization
    get /v1/policies
    get /v1/policies/{version}
    get /v1/receipts
    get /v1/receipts/{receipt_id}
    get /v1/receipts/{receipt_id}/verify
    get /v1/tokens
    patch /v1/agents/{agent_id}
    patch /v1/connectors/{connector_id}
    post /v1/agent-tool-call
    post /v1/agents
    post /v1/agents/{agent_id}/disable
    post /v1/agents/{agent_id}/enable
    post /v1/agents/{agent_id}/rotate
    post /v1/approvals/{approval_id}/decision
    post /v1/connectors
    post /v1/policies
    post /v1/policies/{version}/activate
    post /v1/policy-simulator
    post /v1/tokens
    ");
}

#[test]
fn words_are_written_as_the_wire_has_them() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let words = |name: &str| schemas[name]["enum"].clone();
    assert_eq!(
        words("RiskLevel"),
        serde_json::json!(["low", "medium", "high"])
    );
    assert_eq!(
        words("Scope"),
        serde_json::json!(["read", "manage", "approvals:decide", "log:read"])
    );
    assert_eq!(words("ErrorCode")[0], "bad_request");
}

#[tokio::test]
async fn every_field_that_a_request_is_described_with_is_known() {
    let server = crate::harness::Server::start().await;
    let document = document();
    for (name, operation) in operations(&document) {
        let Some(body) = operation.get("requestBody") else {
            continue;
        };
        let (method, path) = name.split_once(' ').unwrap();
        if path == "/v1/agent-tool-call" {
            continue;
        }
        let schema = &body["content"]["application/json"]["schema"];
        let schema = match schema["oneOf"].as_array() {
            Some(alternatives) => alternatives
                .iter()
                .find(|one| one["type"] != "null")
                .unwrap(),
            None => schema,
        };
        // Wrong values for every field, so that nothing is done; an unknown one would be told.
        let fields = resolved(&document, schema)["properties"]
            .as_object()
            .unwrap();
        let mut body: serde_json::Map<String, Value> = fields
            .keys()
            .map(|field| (field.clone(), serde_json::json!([[]])))
            .collect();
        body.insert("stranger".to_owned(), Value::Null);
        let path = path
            .replace("{agent_id}", &server.one.agent)
            .replace("{version}", "v2")
            .replace("{approval_id}", "0192f0c1-2345-7abc-8def-0123456789ab")
            .replace("{connector_id}", "0192f0c1-2345-7abc-8def-0123456789ab");
        let seen = server
            .call(
                method.to_uppercase().parse().unwrap(),
                &path,
                &server.one.owner,
                Some(Value::Object(body)),
            )
            .await;
        if seen.status == 404 {
            continue;
        }
        let problem = seen.problem(400, "bad_request");
        let strangers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|error| error["detail"].as_str().unwrap().contains("not known"))
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert!(
            strangers.is_empty() || strangers == ["/stranger"],
            "{name}: {problem}"
        );
    }
}
