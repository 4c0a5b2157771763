//! Spans as receivers get them.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use service_kit::telemetry::{self, LangfuseConfig, OtlpConfig, TelemetryConfig};
use testkit::otlp::Receiver;

/// The subscriber is the process's, so both receivers are looked at in one test; other tests make other traces.
#[tokio::test(flavor = "multi_thread")]
async fn spans_reach_their_receivers_with_allowed_fields_whatever_is_logged() {
    service_kit::install_crypto();
    let otlp = Receiver::start("Bearer of the collector").await.expect("a port");
    // `pk:sk` in base64.
    let langfuse = Receiver::start("Basic cGs6c2s=").await.expect("a port");
    let headers = BTreeMap::from([("authorization".to_owned(), SecretString::from(otlp.authorization()))]);
    let config = TelemetryConfig {
        level: "error".to_owned(),
        otlp: OtlpConfig {
            endpoint: otlp.url().to_owned(),
            headers,
            timeout: Duration::from_secs(5),
            ..OtlpConfig::default()
        },
        langfuse: LangfuseConfig {
            host: langfuse.url().to_owned(),
            public_key: "pk".to_owned(),
            secret_key: SecretString::from("sk"),
        },
        ..TelemetryConfig::default()
    };
    let telemetry = telemetry::init("probe", &config);
    let turn = tracing::info_span!("turn", otel.name = "process inbox", seq = 7, text = "my number is 385911234567");
    turn.in_scope(|| {
        tracing::error!(text = "my number is 385911234567", "a line of the log");
        let _chat =
            tracing::info_span!("chat", gen_ai.operation.name = "chat", otel.status_description = "secret").entered();
        let _search = tracing::info_span!("search").entered();
        let _detail = tracing::debug_span!("detail").entered();
    });
    let trace = telemetry::traceparent_of(&turn).expect("a trace")[3..35].to_owned();
    drop(turn);
    telemetry.shutdown().await;

    let spans =
        |receiver: &Receiver| receiver.spans().into_iter().filter(|span| span.trace == trace).collect::<Vec<_>>();
    let names = |receiver: &Receiver| {
        let mut names: Vec<String> = spans(receiver).into_iter().map(|span| span.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(&otlp), ["chat", "process inbox", "search"]);
    assert_eq!(names(&langfuse), ["chat", "process inbox"], "what is about models");
    for receiver in [&otlp, &langfuse] {
        assert_eq!(receiver.problems(), [""; 0]);
        let spans = spans(receiver);
        assert!(spans.iter().all(|span| span.service == "probe"), "{spans:?}");
        let turn = spans.iter().find(|span| span.name == "process inbox").expect("a turn");
        assert_eq!(turn.fields, BTreeMap::from([("seq".to_owned(), "7".to_owned())]), "nothing that was said");
        let chat = spans.iter().find(|span| span.name == "chat").expect("a model call");
        assert_eq!(chat.parent.as_ref(), Some(&turn.id));
    }
}
