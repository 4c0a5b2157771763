use super::*;

fn check(service: &str, env: &[(&str, &str)], expected: &[(&str, Value)]) {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut problems = Problems::default();
    let found: BTreeMap<String, Value> = settings(service, &env, &|_| true, &mut problems)
        .into_iter()
        .map(|setting| (setting.path.join("/"), setting.value))
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
    let expected = expected.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
    assert_eq!(found, expected, "{service}");
}

#[test]
fn each_service_takes_its_own_database_url() {
    let env = [("DATABASE_URL", "sqlite:d"), ("BOT_DATABASE_URL", "sqlite:b"), ("ADMIN_DATABASE_URL", "sqlite:a")];
    for (service, url) in [
        ("ingress-gateway", "sqlite:b"),
        ("conversation-worker", "sqlite:b"),
        ("embedding-service", "sqlite:b"),
        ("admin-service", "sqlite:a"),
        ("migrator", "sqlite:a"),
        ("dragoman", "sqlite:d"),
    ] {
        check(service, &env, &[("database/url", json!(url))]);
        check(service, &env[..1], &[("database/url", json!("sqlite:d"))]);
    }
    check("ingress-gateway", &[("GATEWAY_DATABASE_URL", "sqlite:g"), env[1]], &[("database/url", json!("sqlite:g"))]);
}

#[test]
fn plain_variables_become_settings() {
    check(
        "ingress-gateway",
        &[("LOG_LEVEL", "WARNING"), ("PORT", "9000"), ("DB_POOL_SIZE", "10"), ("DB_MAX_OVERFLOW", "5")],
        &[
            ("telemetry/level", json!("warn")),
            ("http/listen", json!("0.0.0.0:9000")),
            ("database/max_connections", json!(15)),
        ],
    );
    check("migrator", &[("DEBUG", "true")], &[("telemetry/level", json!("debug"))]);
    check("migrator", &[("LOG_LEVEL", ""), ("SWAGGER_URL", " ")], &[]);
}

#[test]
fn redis_comes_by_its_url_or_by_upstash() {
    let redis = |url: &str| [("coordination/kind", json!("redis")), ("coordination/url", json!(url))];
    check("migrator", &[("REDIS_URL", "redis://r:6379/1")], &redis("redis://r:6379/1"));
    check(
        "migrator",
        &[("UPSTASH_REDIS_REST_URL", "https://eu.upstash.io"), ("UPSTASH_REDIS_REST_TOKEN", "t0")],
        &redis("rediss://default:t0@eu.upstash.io:6379"),
    );
}

#[test]
fn infobip_is_the_main_account_of_the_default_tenant() {
    check(
        "ingress-gateway",
        &[
            ("INFOBIP_BASE_URL", "x.api.infobip.com"),
            ("INFOBIP_API_KEY", "k"),
            ("INFOBIP_SENDER_NUMBER", "385911234567"),
            ("INFOBIP_SECRET_KEY", "s"),
        ],
        &[
            ("tenants/default/accounts/infobip:main/channel", json!("infobip")),
            ("tenants/default/accounts/infobip:main/base_url", json!("x.api.infobip.com")),
            ("tenants/default/accounts/infobip:main/api_key", json!("k")),
            ("tenants/default/accounts/infobip:main/sender", json!("385911234567")),
            ("tenants/default/accounts/infobip:main/webhook_secrets", json!(["s"])),
        ],
    );
}

#[test]
fn several_documents_share_the_backend_of_their_variables() {
    check(
        "conversation-worker",
        &[
            ("SWAGGER_URL", "https://a/swagger.json, https://b/swagger.json"),
            ("MOBILITY_API_URL", "https://api"),
            ("MOBILITY_TENANT_ID", "t"),
            ("MOBILITY_AUTH_URL", "https://auth/token"),
            ("MOBILITY_CLIENT_ID", "id"),
            ("MOBILITY_CLIENT_SECRET", "secret"),
        ],
        &["main", "main-2"]
            .iter()
            .zip(["https://a/swagger.json", "https://b/swagger.json"])
            .flat_map(|(name, source)| {
                let at = |key: &str| -> &'static str { format!("tenants/default/documents/{name}/{key}").leak() };
                [
                    (at("source"), json!(source)),
                    (at("backend_url"), json!("https://api")),
                    (at("credentials/*/type"), json!("oauth2")),
                    (at("credentials/*/client_id"), json!("id")),
                    (at("credentials/*/client_secret"), json!("secret")),
                    (at("credentials/*/token_url"), json!("https://auth/token")),
                    (at("tenant_header/name"), json!("x-tenant")),
                    (at("tenant_header/value"), json!("t")),
                ]
            })
            .collect::<Vec<_>>(),
    );
}

#[test]
fn admin_variables_become_keys_and_addresses() {
    check(
        "admin-service",
        &[("ADMIN_TOKEN_1", "aa"), ("ADMIN_TOKEN_1_USER", "ana"), ("ADMIN_ALLOWED_IPS", "10.0.0.0/8, ::1/128")],
        &[
            ("grpc/keys/ana/key", json!("aa")),
            ("grpc/keys/ana/tenant", json!("default")),
            ("grpc/keys/ana/services", json!(["admin"])),
            ("admin/allowed_addresses", json!(["10.0.0.0/8", "::1/128"])),
        ],
    );
}

#[test]
fn a_section_that_a_service_lacks_takes_no_variable() {
    let env = [("REDIS_URL".to_owned(), "redis://r".to_owned())].into();
    assert_eq!(settings("migrator", &env, &|name| name == "database", &mut Problems::default()), []);
}

#[test]
fn a_port_that_is_no_number_is_a_problem() {
    let env = [("PORT".to_owned(), "http".to_owned())].into();
    let mut problems = Problems::default();
    assert_eq!(settings("ingress-gateway", &env, &|_| true, &mut problems), []);
    assert!(!problems.is_empty());
}
