//! How refusals look, once for each kind

use http::{Method, Request};
use serde_json::Value;

#[tokio::test]
async fn refusals_look_like_this() {
    let server = super::start().await;
    let send = async |method: Method, path: &str, bearer: &str, body: &str| -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-request-id", "r-1")
            .header("authorization", format!("Bearer {bearer}"))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .unwrap();
        server.send(request).await.json()
    };
    let owner = &server.one.owner;
    insta::assert_json_snapshot!(send(Method::POST, "/v1/agents", owner, r#"{"nam":"x"}"#).await, @r##"
    {
      "code": "bad_request",
      "detail": "2 fields are not as described",
      "errors": [
        {
          "detail": "`name` is missing",
          "pointer": "/name"
        },
        {
          "detail": "this field is not known here; did you mean `name`?",
          "pointer": "/nam"
        }
      ],
      "execution": null,
      "receipt_id": null,
      "request_id": "r-1",
      "status": 400,
      "title": "The request is not as described",
      "tool_response": null,
      "type": "https://github.com/relynt/relynt/blob/main/docs/errors.md#bad_request"
    }
    "##);
    insta::assert_json_snapshot!(send(Method::POST, "/v1/agents", owner, r#"{"name":1"#).await, @r##"
    {
      "code": "bad_request",
      "detail": "the JSON ends too early (byte 9)",
      "errors": [
        {
          "detail": "the JSON ends too early (byte 9)",
          "pointer": ""
        }
      ],
      "execution": null,
      "receipt_id": null,
      "request_id": "r-1",
      "status": 400,
      "title": "The request is not as described",
      "tool_response": null,
      "type": "https://github.com/relynt/relynt/blob/main/docs/errors.md#bad_request"
    }
    "##);
    insta::assert_json_snapshot!(send(Method::GET, "/v1/agents", "x", "").await, @r##"
    {
      "code": "unauthorized",
      "detail": "the credential is malformed or mistyped",
      "errors": null,
      "execution": null,
      "receipt_id": null,
      "request_id": "r-1",
      "status": 401,
      "title": "The credential is not accepted",
      "tool_response": null,
      "type": "https://github.com/relynt/relynt/blob/main/docs/errors.md#unauthorized"
    }
    "##);
    insta::assert_json_snapshot!(send(Method::GET, "/v1/agents/x", owner, "").await, @r##"
    {
      "code": "not_found",
      "detail": "there is no such item",
      "errors": null,
      "execution": null,
      "receipt_id": null,
      "request_id": "r-1",
      "status": 404,
      "title": "There is no such item",
      "tool_response": null,
      "type": "https://github.com/relynt/relynt/blob/main/docs/errors.md#not_found"
    }
    "##);
}
