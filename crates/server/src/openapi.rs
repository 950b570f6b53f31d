//! The document that describes the API, finished: what holds for every operation is added here

use std::collections::BTreeSet;

use relynt_api::Problem;
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        Components, ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder,
        OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, ParameterIn, PathItem},
        schema::{AdditionalProperties, ObjectBuilder, Schema, Type},
        security::{Http, HttpAuthScheme, SecurityScheme},
        tag::TagBuilder,
    },
};

const PROBLEM_TYPE: &str = "application/problem+json";

/// What the document begins as.
pub(crate) fn frame() -> OpenApi {
    let bearer = |what: &str| {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(what.to_owned());
        SecurityScheme::Http(scheme)
    };
    let tags = [
        ("calls", "What agents ask before they act"),
        ("approvals", "What waits for a person"),
        ("receipts", "The signed record of every decision"),
        ("executions", "What connectors did"),
        ("agents", "Non-human callers and their credentials"),
        ("policies", "The rules, in versions"),
        ("connectors", "Who performs allowed actions"),
        ("tokens", "Personal access tokens"),
        ("organization", "The tenant"),
        ("operation", "Running the gateway"),
    ];
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Relynt")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("The authorization gateway for AI agents"))
                .license(Some(
                    LicenseBuilder::new()
                        .name("Apache-2.0")
                        .identifier(Some("Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .schema(Problem::name(), Problem::schema())
                .security_scheme(
                    "agent",
                    bearer("An agent's credential, `rly_…`, or `<agent_id>:<credential>`"),
                )
                .security_scheme("person", bearer("A personal access token, `rlp_…`"))
                .build(),
        ))
        .tags(Some(tags.map(|(name, what)| {
            TagBuilder::new().name(name).description(Some(what)).build()
        })))
        .build()
}

/// Adds what holds for every operation: the errors that any may answer, the id on every answer,
/// and that every field of an answer is always there.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    if let Some(components) = &mut document.components {
        for schema in components.schemas.values_mut() {
            require_fields(schema);
        }
        used_problem(components);
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            add_refusals(operation);
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response
                        .headers
                        .entry("X-Request-Id".to_owned())
                        .or_insert_with(|| {
                            RefOr::T(
                                HeaderBuilder::new()
                                    .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                                    .description(Some(
                                        "The request's id: the caller's, if it sent a sane one",
                                    ))
                                    .build(),
                            )
                        });
                }
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        item.get.as_mut(),
        item.put.as_mut(),
        item.post.as_mut(),
        item.patch.as_mut(),
        item.delete.as_mut(),
    ]
    .into_iter()
    .flatten()
}

/// Every field of an answer is always present. Request bodies are told by their refusing what they
/// do not know; what they leave out may be left out.
fn require_fields(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else {
        return;
    };
    let is_request = matches!(
        object.additional_properties.as_deref(),
        Some(AdditionalProperties::FreeForm(false))
    );
    if !is_request {
        object.required = object.properties.keys().cloned().collect();
    }
}

/// The problem refers to what no operation's body may name.
fn used_problem(components: &mut Components) {
    let mut more = Vec::new();
    Problem::schemas(&mut more);
    for (name, mut schema) in more {
        require_fields(&mut schema);
        components.schemas.entry(name).or_insert(schema);
    }
}

fn add_refusals(operation: &mut Operation) {
    let has_login = operation
        .security
        .as_ref()
        .is_some_and(|schemes| !schemes.is_empty());
    let in_path = operation.parameters.as_ref().is_some_and(|parameters| {
        parameters.iter().any(
            |parameter| matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Path),
        )
    });
    let mut refusals = vec![
        ("400", "Body, header or query are not as described"),
        ("500", "Something went wrong in the gateway"),
    ];
    if has_login {
        refusals.extend([
            (
                "401",
                "The credential is missing, malformed, unknown, revoked or expired",
            ),
            ("403", "The caller may not do this"),
            (
                "503",
                "The gateway cannot answer now; `Retry-After` says when to ask again",
            ),
        ]);
    }
    if in_path {
        refusals.push(("404", "There is no such item for this caller"));
    }
    if operation.request_body.is_some() {
        refusals.extend([
            ("413", "The body is too long"),
            ("415", "The body is not JSON, or is encoded"),
        ]);
    }
    let known: BTreeSet<String> = operation.responses.responses.keys().cloned().collect();
    for (status, what) in refusals {
        if !known.contains(status) {
            operation
                .responses
                .responses
                .insert(status.to_owned(), RefOr::T(problem(what)));
        }
    }
}

fn problem(what: &str) -> Response {
    ResponseBuilder::new()
        .description(what)
        .content(
            PROBLEM_TYPE,
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(Problem::name())))
                .build(),
        )
        .build()
}
