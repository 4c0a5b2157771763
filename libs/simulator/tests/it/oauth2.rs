use serde_json::Value;
use simulator::oauth2::{Config, ExpiresIn, Server};

use crate::{client, serve};

struct Case {
    what: &'static str,
    basic: Option<(&'static str, &'static str)>,
    form: &'static [(&'static str, &'static str)],
    status: u16,
    error: Option<&'static str>,
}

#[tokio::test]
async fn token_requests_are_taken_and_refused_as_the_standard_says() {
    let server = Server::new(Config::client("dragoman", "s3cret", "fleet"));
    let base = serve(server.router()).await;
    const GRANT: (&str, &str) = ("grant_type", "client_credentials");
    const ID: (&str, &str) = ("client_id", "dragoman");
    const SECRET: (&str, &str) = ("client_secret", "s3cret");
    let right = Some(("dragoman", "s3cret"));
    let cases = [
        Case { what: "Basic", basic: right, form: &[GRANT], status: 200, error: None },
        Case { what: "body", basic: None, form: &[GRANT, ID, SECRET], status: 200, error: None },
        Case { what: "scope", basic: right, form: &[GRANT, ("scope", "fleet")], status: 200, error: None },
        Case {
            what: "wrong scope",
            basic: right,
            form: &[GRANT, ("scope", "admin")],
            status: 400,
            error: Some("invalid_scope"),
        },
        Case {
            what: "wrong secret",
            basic: Some(("dragoman", "x")),
            form: &[GRANT],
            status: 401,
            error: Some("invalid_client"),
        },
        Case { what: "nobody", basic: None, form: &[GRANT], status: 401, error: Some("invalid_client") },
        Case { what: "both places", basic: right, form: &[GRANT, SECRET], status: 400, error: Some("invalid_request") },
        Case { what: "no grant", basic: right, form: &[], status: 400, error: Some("invalid_request") },
        Case { what: "twice", basic: right, form: &[GRANT, GRANT], status: 400, error: Some("invalid_request") },
        Case {
            what: "password grant",
            basic: right,
            form: &[("grant_type", "password")],
            status: 400,
            error: Some("unsupported_grant_type"),
        },
    ];
    for Case { what, basic, form, status, error } in cases {
        let mut request = client().post(format!("{base}/oauth2/token")).form(form);
        if let Some((id, secret)) = basic {
            request = request.basic_auth(id, Some(secret));
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), status, "{what}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"].as_str(), error, "{what}");
    }
    assert_eq!((server.issued(), server.refused()), (3, 7));
}

#[tokio::test]
async fn an_expired_token_admits_nobody() {
    let server = Server::new(Config { expires_in: ExpiresIn::Text, ..Config::client("a", "b", "fleet") });
    let base = serve(server.router()).await;
    let request = client().post(format!("{base}/oauth2/token")).basic_auth("a", Some("b"));
    let body: Value = request
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let token = body["access_token"].as_str().expect("a token");
    assert_eq!(body["expires_in"], "3600");
    assert!(server.admits(token, "fleet") && !server.admits(token, "admin") && !server.admits("sim_other", "fleet"));
    server.expire_all();
    assert!(!server.admits(token, "fleet"));
}
