use super::*;

/// The sections of all services.
fn sections() -> Value {
    let names =
        ["admin", "ai", "chat", "coordination", "database", "grpc", "http", "shared_cache", "telemetry", "tenants"];
    names.into_iter().map(|name| (name.to_owned(), json!({}))).collect()
}

fn check(service: &str, env: &[(&str, &str)], expected: &[(&str, Value)]) {
    check_over(service, &sections(), env, expected);
}

fn check_over(service: &str, below: &Value, env: &[(&str, &str)], expected: &[(&str, Value)]) {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut problems = Problems::default();
    let found: BTreeMap<String, Value> = settings(service, &env, below, &mut problems)
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
        &[("LOG_LEVEL", "WARNING"), ("AI_RATE_LIMIT", "30"), ("DB_POOL_SIZE", "10"), ("DB_MAX_OVERFLOW", "5")],
        &[("telemetry/level", json!("warn")), ("ai/rate_limit", json!("30")), ("database/max_connections", json!(15))],
    );
    for service in ["conversation-worker", "dragoman"] {
        check(
            service,
            &[("AI_ENABLED", "no"), ("AI_FALLBACK_MODE", "True"), ("AI_DEBUG", "perhaps")],
            &[("ai/enabled", json!("no")), ("ai/fallback_mode", json!(true)), ("ai/debug", json!("perhaps"))],
        );
    }
    check("migrator", &[("DEBUG", "true")], &[("telemetry/level", json!("debug"))]);
    check("migrator", &[("LOG_LEVEL", ""), ("SWAGGER_URL", " ")], &[]);
}

#[test]
fn opentelemetrys_variables_name_the_receiver_of_spans() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    let set = ("telemetry/otlp/endpoint", json!("http://collector:4317"));
    for service in ["ingress-gateway", "conversation-worker", "dragoman", "migrator"] {
        check(service, &[endpoint], std::slice::from_ref(&set));
    }
    check("dragoman", &[endpoint, ("OTEL_TRACES_EXPORTER", "otlp")], std::slice::from_ref(&set));
    check("dragoman", &[endpoint, ("OTEL_TRACES_EXPORTER", "none")], &[]);
    check("dragoman", &[endpoint, ("OTEL_SDK_DISABLED", "true")], &[]);
    check(
        "dragoman",
        &[
            endpoint,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/v1/traces"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x-team = blue"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ],
        &[
            ("telemetry/otlp/endpoint", json!("http://traces:4318/v1/traces")),
            ("telemetry/otlp/protocol", json!("http/protobuf")),
            ("telemetry/otlp/headers", json!({ "api-key": "a,b", "x-team": "blue" })),
            ("telemetry/otlp/timeout", json!("2500ms")),
            ("telemetry/otlp/sample_ratio", json!("0.25")),
        ],
    );
    check(
        "conversation-worker",
        &[("LANGFUSE_HOST", "http://l"), ("LANGFUSE_PUBLIC_KEY", "pk"), ("LANGFUSE_SECRET_KEY", "sk")],
        &[
            ("telemetry/langfuse/host", json!("http://l")),
            ("telemetry/langfuse/public_key", json!("pk")),
            ("telemetry/langfuse/secret_key", json!("sk")),
        ],
    );
}

#[test]
fn a_port_moves_the_public_listener_alone_and_keeps_its_ip() {
    let at = |ip: &str| {
        let mut below = sections();
        below["http"]["listen"] = json!(format!("{ip}:8000"));
        below
    };
    let port = [("PORT", "9000")];
    check_over("ingress-gateway", &at("0.0.0.0"), &port, &[("http/listen", json!("0.0.0.0:9000"))]);
    check_over("dragoman", &at("127.0.0.1"), &port, &[("http/listen", json!("127.0.0.1:9000"))]);
    check_over("dragoman", &at("[::1]"), &port, &[("http/listen", json!("[::1]:9000"))]);
    check_over("admin-service", &at("0.0.0.0"), &port, &[]);
}

#[test]
fn a_second_redis_for_the_cache_counts_beside_the_first() {
    let cache = ("CACHE_REDIS_URL", "redis://cache");
    let cached = ("coordination/cache_url", json!("redis://cache"));
    check(
        "ingress-gateway",
        &[("REDIS_URL", "redis://r"), cache],
        &[("coordination/kind", json!("redis")), ("coordination/url", json!("redis://r")), cached.clone()],
    );
    let mut below = sections();
    below["coordination"]["kind"] = json!("redis");
    check_over("ingress-gateway", &below, &[cache], &[cached]);
    check("ingress-gateway", &[cache], &[]);
    check("embedding-service", &[cache], &[("shared_cache/url", json!("redis://cache"))]);
}

#[test]
fn qdrant_is_reached_by_grpc_whichever_port_is_named() {
    let mut below = sections();
    below["vectors"] = json!({ "store": "files" });
    below["qdrant"] = json!({});
    for (given, url) in [
        ("http://qdrant:6333", "http://qdrant:6334"),
        ("http://qdrant:6333/", "http://qdrant:6334"),
        ("https://q.example", "https://q.example:6334"),
        ("https://q.example:443", "https://q.example:443"),
        ("http://[::1]", "http://[::1]:6334"),
        ("qdrant", "http://qdrant:6334"),
    ] {
        check_over(
            "embedding-service",
            &below,
            &[("QDRANT_URL", given), ("QDRANT_API_KEY", "k")],
            &[("qdrant/api_key", json!("k")), ("vectors/store", json!("qdrant")), ("qdrant/url", json!(url))],
        );
    }
    check("conversation-worker", &[("QDRANT_URL", "http://qdrant:6333")], &[]);
}

#[test]
fn minio_keeps_files_once_a_bucket_is_named() {
    let mut below = sections();
    below["files"] = json!({ "kind": "database" });
    let env = [("MINIO_URL", "minio:9000"), ("MINIO_ROOT_USER", "u"), ("MINIO_ROOT_PASSWORD", "p")];
    let named = [&env[..], &[("MINIO_BUCKET", "b")]].concat();
    let settings = [
        ("files/access_key", json!("u")),
        ("files/bucket", json!("b")),
        ("files/endpoint", json!("http://minio:9000")),
        ("files/kind", json!("s3")),
        ("files/secret_key", json!("p")),
    ];
    for service in ["conversation-worker", "admin-service", "ingress-gateway", "dragoman"] {
        check_over(service, &below, &env, &[]);
        check_over(service, &below, &named, &settings);
    }
    check_over("embedding-service", &below, &named, &[]);
}

#[test]
fn the_dashboards_variables_are_the_web_account() {
    let channel = ("tenants/default/accounts/web:main/channel", json!("web"));
    let key = |key: &str| ("tenants/default/accounts/web:main/session_key", json!(key));
    check(
        "ingress-gateway",
        &[("DASHBOARD_ALLOWED_ORIGINS", "https://a.example, https://b.example"), ("JWT_SECRET", "j")],
        &[
            channel.clone(),
            ("tenants/default/accounts/web:main/allowed_origins", json!(["https://a.example", "https://b.example"])),
            key("j"),
        ],
    );
    check("ingress-gateway", &[("DASHBOARD_SECRET_KEY", "d"), ("JWT_SECRET", "j")], &[channel, key("d")]);
    check("ingress-gateway", &[("JWT_SECRET", "j")], &[]);
    let mut below = sections();
    below["tenants"] = json!({ "default": { "accounts": { "web:main": { "channel": "web" } } } });
    check_over("ingress-gateway", &below, &[("JWT_SECRET", "j")], &[key("j")]);
}

#[test]
fn the_first_embedding_variable_that_is_set_is_the_embedding_model() {
    let mut below = sections();
    below["embedding"] = json!({ "provider": "none" });
    let known = [("OPENAI_API_KEY", "o"), ("MISTRAL_API_KEY", "m"), ("GOOGLE_GENERATIVE_AI_API_KEY", "g")];
    let of = |provider: &str, key: &str, name: &str| {
        [("embedding/provider", json!(provider)), ("embedding/api_key", json!(key)), ("embedding/name", json!(name))]
    };
    check_over("embedding-service", &below, &known, &of("google", "g", "gemini-embedding-001"));
    check_over("embedding-service", &below, &known[..2], &of("openai", "o", "text-embedding-3-small"));
    let azure = [
        ("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com"),
        ("AZURE_OPENAI_API_KEY", "a"),
        ("AZURE_OPENAI_API_VERSION", "2024-10-21"),
        ("OPENAI_API_KEY", "o"),
        ("AZURE_OPENAI_EMBEDDING_DEPLOYMENT", "vectors"),
    ];
    check_over(
        "embedding-service",
        &below,
        &azure,
        &[
            ("embedding/provider", json!("azure")),
            ("embedding/base_url", json!("https://r.openai.azure.com")),
            ("embedding/api_key", json!("a")),
            ("embedding/api_version", json!("2024-10-21")),
            ("embedding/name", json!("vectors")),
        ],
    );
    check_over("embedding-service", &below, &azure[..4], &of("openai", "o", "text-embedding-3-small"));
    check_over("embedding-service", &below, &[("MISTRAL_API_KEY", "m")], &[]);
    below["embedding"] = json!({ "provider": "none", "name": "text-embedding-3-large" });
    check_over("embedding-service", &below, &known[..1], &of("openai", "o", "text-embedding-3-small")[..2]);
    below["embedding"] = json!({ "provider": "compatible" });
    check_over("embedding-service", &below, &azure, &[]);
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
        &[
            ("ADMIN_TOKEN_1", "aa"),
            ("ADMIN_TOKEN_1_USER", "ana"),
            ("ADMIN_TOKEN_2", "bb"),
            ("ADMIN_TOKEN_2_TENANT", "acme"),
            ("ADMIN_ALLOWED_IPS", "10.0.0.0/8, ::1/128"),
        ],
        &[
            ("grpc/keys/ana/key", json!("aa")),
            ("grpc/keys/ana/tenant", json!("default")),
            ("grpc/keys/ana/services", json!(["admin"])),
            ("grpc/keys/admin-2/key", json!("bb")),
            ("grpc/keys/admin-2/tenant", json!("acme")),
            ("grpc/keys/admin-2/services", json!(["admin"])),
            ("admin/allowed_addresses", json!(["10.0.0.0/8", "::1/128"])),
        ],
    );
}

#[test]
fn a_section_that_a_service_lacks_takes_no_variable() {
    let env = [("REDIS_URL".to_owned(), "redis://r".to_owned())].into();
    assert_eq!(settings("migrator", &env, &json!({ "database": {} }), &mut Problems::default()), []);
}

#[test]
fn a_port_that_is_no_number_is_a_problem() {
    let env = [("PORT".to_owned(), "http".to_owned())].into();
    let mut problems = Problems::default();
    assert_eq!(settings("ingress-gateway", &env, &sections(), &mut problems), []);
    assert!(!problems.is_empty());
}
