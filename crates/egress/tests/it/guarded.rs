//! Nothing reaches an address that is not allowed: the target counts its connections.

use relynt_domain::OrganizationId;
use relynt_egress::{AddressRefused, Fault, Range, Sent};

use crate::target::{Silent, answering, post, resolving_to, rules, send, way_out};

fn refused(report: &relynt_egress::Report) -> AddressRefused {
    assert_eq!(report.sent, Sent::No);
    assert!(report.answer.is_none());
    match report.fault {
        Some(Fault::Address(refused)) => refused,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_spelling_of_loopback_sees_no_connection() {
    let target = Silent::on("127.0.0.1");
    let out = way_out("");
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "0.0.0.0",
        "0",
        "[::]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "%31%32%37.0.0.1",
        "127.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
    ] {
        let report = send(&out, post(&format!("http://{host}:{}/", target.port()))).await;
        refused(&report);
        assert_eq!(target.connections(), 0, "{host}");
    }
}

#[tokio::test]
async fn loopback_of_version_6_sees_no_connection() {
    let target = Silent::on("::1");
    let out = way_out("127.0.0.0/8");
    let report = send(&out, post(&format!("http://[::1]:{}/", target.port()))).await;
    assert_eq!(refused(&report), AddressRefused::Special(Range::Loopback));
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn one_refused_address_refuses_the_whole_name() {
    let target = Silent::on("127.0.0.1");
    let out = way_out("");
    for answer in [
        &["127.0.0.1"][..],
        &["93.184.216.34", "127.0.0.1"],
        &["127.0.0.1", "93.184.216.34"],
        &["2606:4700:4700::1111", "::ffff:127.0.0.1"],
        &["93.184.216.34", "169.254.169.254"],
        &["93.184.216.34", "64:ff9b::127.0.0.1"],
    ] {
        let out = resolving_to(&out, answer);
        let report = send(
            &out,
            post(&format!("http://crm.example.com:{}/", target.port())),
        )
        .await;
        refused(&report);
        assert_eq!(target.connections(), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn a_refused_address_behind_many_good_ones_still_refuses() {
    let out = way_out("");
    let mut answer = vec!["93.184.216.34"; 40];
    answer.push("10.0.0.1");
    let report = send(
        &resolving_to(&out, &answer),
        post("http://crm.example.com/"),
    )
    .await;
    assert_eq!(refused(&report), AddressRefused::Special(Range::Private));
}

#[tokio::test]
async fn the_resolver_does_not_choose_the_port() {
    // The test's resolver answers with port 1; the connection goes to the port of the address.
    let target = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let out = resolving_to(&way_out("127.0.0.1/32"), &["127.0.0.1"]);
    let report = send(
        &out,
        post(&format!(
            "http://crm.example.com:{}/",
            target.address.port()
        )),
    )
    .await;
    assert_eq!(report.answer.unwrap().status, 204);
    let request = target.done().await;
    assert!(request.contains(&format!(
        "host: crm.example.com:{}\r\n",
        post_port(&request)
    )));
}

fn post_port(request: &str) -> &str {
    request
        .split("host: crm.example.com:")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
}

#[tokio::test]
async fn an_allowed_port_is_reached_and_its_neighbour_is_not() {
    let neighbour = Silent::on("127.0.0.1");
    let target = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let out = way_out(&format!("127.0.0.1/32:{}", target.address.port()));
    let report = send(&out, post(&format!("http://{}/", target.address))).await;
    assert_eq!(report.answer.unwrap().body, "ok");
    assert!(report.fault.is_none());
    refused(&send(&out, post(&format!("http://{}/", neighbour.address()))).await);
    assert_eq!(neighbour.connections(), 0);
}

#[tokio::test]
async fn an_address_of_another_organization_sees_no_connection() {
    let target = Silent::on("127.0.0.1");
    let owner = OrganizationId::from_bytes([1; 16]);
    let out = way_out(&format!("{owner}=127.0.0.0/8"));
    let mut exchange = post(&format!("http://{}/", target.address()));
    exchange.organization = Some(OrganizationId::from_bytes([2; 16]));
    refused(&send(&out, exchange).await);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn the_gateways_own_listener_sees_no_connection() {
    let own = Silent::on("127.0.0.1");
    let rules = rules("0.0.0.0/0,::/0").with_own_listeners([own.address()]);
    let out = relynt_egress::Egress::new(rules, relynt_egress::Roots::only([]).unwrap()).unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
        "0.0.0.0",
    ] {
        let report = send(&out, post(&format!("http://{host}:{}/", own.port()))).await;
        refused(&report);
        assert_eq!(own.connections(), 0, "{host}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nothing_follows_it() {
    let elsewhere = Silent::on("127.0.0.1");
    let location = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        elsewhere.address()
    );
    let target = answering(location).await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    assert_eq!(report.answer.unwrap().status, 307);
    assert_eq!(elsewhere.connections(), 0);
}
