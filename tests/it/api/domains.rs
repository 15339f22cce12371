//! Domains of tenants.

use serde_json::json;

use super::*;

fn claim(gateway: &TestGateway, id: &str, document: &Value) -> Response {
    ask(gateway, "POST", &format!("/tenants/{id}/domains"), &[], &document.to_string())
}

#[test]
fn a_claim_is_told_how_to_prove_itself() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    let claimed = claim(&gateway, "initech", &json!({ "domain": "WWW.Initech.test" }));
    claimed.assert_status(201);
    let domain = claimed.json();
    assert_eq!((&domain["domain"], &domain["state"]), (&json!("www.initech.test"), &json!("pending")));
    let challenge = &domain["challenge"];
    assert_eq!(challenge["dns"]["name"], "_tollgate-challenge.www.initech.test");
    assert_eq!(challenge["http"]["url"], "http://www.initech.test/.well-known/tollgate-challenge");
    let token = challenge["dns"]["value"].as_str().unwrap();
    assert_eq!((token.len(), &challenge["http"]["body"]), (43, &json!(token)));
    // Once more is the same claim.
    assert_eq!(claim(&gateway, "initech", &json!({ "domain": "www.initech.test" })).json(), domain);
    let wildcard = claim(&gateway, "initech", &json!({ "domain": "*.shop.initech.test" })).json();
    assert_eq!(wildcard["challenge"]["dns"]["name"], "_tollgate-challenge.shop.initech.test");
    assert!(wildcard["challenge"]["http"].is_null());
    // A claim is not yet the tenant's domain.
    assert!(show(&gateway, "/tenants/initech").json()["domains"].is_null());
    let whose = show(&gateway, "/domains/www.initech.test").json();
    assert_eq!((&whose["tenant"], &whose["state"]), (&Value::Null, &json!("pending")));
    let listed = show(&gateway, "/tenants/initech/domains").json();
    assert_eq!(listed["domains"].as_array().unwrap().len(), 2);
}

#[test]
fn a_domain_that_the_operator_vouches_for_is_the_tenants() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    made(&gateway, "hooli", &json!({ "plan": "free" }));
    let before = show(&gateway, "/tenants/initech").json()["revision"].clone();
    let vouched = json!({ "domain": "initech.test", "verified": true });
    let given = claim(&gateway, "initech", &vouched);
    given.assert_status(201);
    assert_eq!((&given.json()["state"], &given.json()["method"]), (&json!("verified"), &json!("operator")));
    claim(&gateway, "initech", &json!({ "domain": "*.initech.test", "verified": true })).assert_status(201);
    let tenant = show(&gateway, "/tenants/initech").json();
    assert_eq!(tenant["domains"], json!(["*.initech.test", "initech.test"]));
    assert_ne!(tenant["revision"], before);
    claim(&gateway, "hooli", &vouched).assert_refused(409, "domain_taken");
    claim(&gateway, "hooli", &json!({ "domain": "www.acme.test" })).assert_refused(409, "domain_taken");
    for (host, owner, domain) in [
        ("initech.test", "initech", "initech.test"),
        ("a.b.initech.test", "initech", "*.initech.test"),
        ("WWW.acme.test", "acme", "www.acme.test"),
    ] {
        let whose = show(&gateway, &format!("/domains/{host}"));
        whose.assert_status(200);
        assert_eq!((&whose.json()["tenant"], &whose.json()["domain"]), (&json!(owner), &json!(domain)));
    }
    show(&gateway, "/domains/other.test").assert_refused(404, "unknown_domain");
    show(&gateway, "/domains/a%20b").assert_refused(400, "bad_query");

    ask(&gateway, "DELETE", "/tenants/initech/domains/INITECH.test", &[], "").assert_status(204);
    assert_eq!(show(&gateway, "/tenants/initech").json()["domains"], json!(["*.initech.test"]));
    ask(&gateway, "DELETE", "/tenants/initech/domains/initech.test", &[], "")
        .assert_refused(404, "unknown_domain");
    claim(&gateway, "hooli", &vouched).assert_status(201);
    let actions: Vec<_> =
        audited(&gateway).into_iter().filter(|(action, _)| action.starts_with("domain.")).collect();
    assert_eq!(actions.len(), 4, "{actions:?}");
}

#[test]
fn what_can_not_be_claimed_is_refused() {
    let origin = Origin::echo();
    let gateway = stored(&origin).start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    for domain in ["a b", "*", "x.test:80", "other.app.test", "*.app.test"] {
        let refused = claim(&gateway, "initech", &json!({ "domain": domain }));
        refused.assert_refused(422, "invalid_domain");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/domain");
    }
    for body in
        [json!({}), json!({ "domain": 7 }), json!({ "domain": "a.test", "verified": "yes" }), json!([])]
    {
        claim(&gateway, "initech", &body).assert_refused(400, "bad_body");
    }
    let domain = json!({ "domain": "a.test" });
    claim(&gateway, "nobody", &domain).assert_refused(404, "unknown_tenant");
    claim(&gateway, "acme", &domain).assert_refused(409, "tenant_in_configuration");
    show(&gateway, "/tenants/nobody/domains").assert_refused(404, "unknown_tenant");
    let acme = show(&gateway, "/tenants/acme/domains").json();
    assert_eq!(acme["domains"][0]["domain"], "www.acme.test");
}
