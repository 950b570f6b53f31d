//! "agent-specific rule: a UUID is an agent (must exist), anything else a tag; an empty list is
//! refused"

use relynt_policy::Policy;

use crate::support::{AGENT, NOBODY, ask_as, faults, json, policy, word};

fn rules(agents: &str) -> String {
    format!(r#"[{{"action":"*","resource_pattern":"*","agents":[{agents}],"decision":"allow"}}]"#)
}

#[test]
fn a_rule_with_agents_is_for_those_agents_and_tags_only() {
    let by_id = format!(r#""{AGENT}""#);
    let either = format!(r#""sales", "{AGENT}", "billing""#);
    for (agents, agent, tags, verdict) in [
        (&*by_id, AGENT, &[][..], "allow"),
        (&*by_id, NOBODY, &[], "deny"),
        (&*by_id, NOBODY, &["sales"], "deny"),
        (r#""sales""#, AGENT, &["sales"], "allow"),
        (r#""sales""#, AGENT, &["a", "sales", "z"], "allow"),
        (r#""sales""#, AGENT, &["Sales"], "deny"),
        (r#""sales""#, AGENT, &["sales-emea"], "deny"),
        (r#""sales""#, AGENT, &[], "deny"),
        (r#""sales*""#, AGENT, &["sales-emea"], "deny"),
        (&*either, AGENT, &[], "allow"),
        (&*either, NOBODY, &["billing"], "allow"),
        (&*either, NOBODY, &["support"], "deny"),
    ] {
        let policy = policy(&rules(agents));
        let evaluation = ask_as(&policy, agent, tags, ("read", "crm:1", ""));
        assert_eq!(word(&evaluation), verdict, "{agents} {agent} {tags:?}");
    }
}

#[test]
fn a_rule_without_agents_is_for_all() {
    let policy = policy(r#"[{"action":"*","resource_pattern":"*","decision":"allow"}]"#);
    assert_eq!(
        word(&ask_as(&policy, NOBODY, &[], ("read", "crm:1", ""))),
        "allow"
    );
}

#[test]
fn a_tag_that_is_an_id_does_not_make_an_agent() {
    let policy = policy(&rules(&format!(r#""{AGENT}""#)));
    assert_eq!(
        word(&ask_as(&policy, NOBODY, &[AGENT], ("read", "crm:1", ""))),
        "deny"
    );
}

#[test]
fn lists_that_would_protect_nothing_are_refused() {
    let looks_like =
        "looks like the id of an agent; ids are written in lower case with hyphens".to_owned();
    for (agents, pointer, detail) in [
        (String::new(), "", "must not be an empty list".to_owned()),
        (
            format!(r#""{NOBODY}""#),
            "/0",
            format!("there is no agent `{NOBODY}`"),
        ),
        (
            format!(r#""a","{}""#, AGENT.to_uppercase()),
            "/1",
            looks_like.clone(),
        ),
        (
            format!(r#""{}""#, AGENT.replace('-', "")),
            "/0",
            looks_like.clone(),
        ),
        (format!(r#""{{{AGENT}}}""#), "/0", looks_like),
        (r#""""#.to_owned(), "/0", "must not be empty".to_owned()),
        (
            r#"" sales""#.to_owned(),
            "/0",
            "must not begin or end with a blank".to_owned(),
        ),
        (
            "7".to_owned(),
            "/0",
            "must be a string, not a number".to_owned(),
        ),
        (
            format!(r#""{}""#, "a".repeat(65)),
            "/0",
            "has more than 64 characters".to_owned(),
        ),
    ] {
        assert_eq!(
            faults(&rules(&agents)),
            [format!("/rules/0/agents{pointer}: {detail}")]
        );
    }
    assert_eq!(
        faults(r#"[{"action":"*","resource_pattern":"*","agents":null,"decision":"allow"}]"#),
        ["/rules/0/agents: must be a list, not null"]
    );
}

#[test]
fn every_agent_of_a_long_list_is_found() {
    let id = |n: u8| relynt_domain::AgentId::from_bytes([n; 16]).to_string();
    // In no order.
    let listed: Vec<String> = [7, 3, 9, 1, 5].map(|n| format!(r#""{}""#, id(n))).to_vec();
    let policy = Policy::parse(&json(&rules(&listed.join(","))), &|_| true).unwrap();
    for n in 0..=10 {
        let verdict = if [1, 3, 5, 7, 9].contains(&n) {
            "allow"
        } else {
            "deny"
        };
        assert_eq!(
            word(&ask_as(&policy, &id(n), &[], ("read", "crm:1", ""))),
            verdict,
            "{n}"
        );
    }
}
