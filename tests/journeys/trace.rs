//! One trace from webhook to reply, as a receiver of OTLP gets it from all processes.

use simulator::fleet::ANA;
use testkit::otlp::{Receiver, Span};

use crate::{
    free::{Free, WISH, day},
    process::PATIENCE,
    world::Deployment,
};

const SEARCH: &str = "dragoman.catalog.v1.CatalogService/SearchOperations";
/// `public:secret-of-the-journeys` in base64, as Langfuse wants it.
const BASIC: &str = "Basic cHVibGljOnNlY3JldC1vZi10aGUtam91cm5leXM=";

const BELLS: &str = "process bells";
/// How often a wish may be overtaken by the sweeper.
const TRIES: u32 = 3;

/// Span, kind and service in a cluster, and the name of its parent. The first of such a name counts.
const TREE: [(&str, &str, &str, Option<&str>); 10] = [
    ("POST /webhook", "server", "ingress-gateway", None),
    ("send inbox", "producer", "ingress-gateway", Some("POST /webhook")),
    (BELLS, "consumer", "conversation-worker", Some("send inbox")),
    ("process inbox", "consumer", "conversation-worker", Some("send inbox")),
    (SEARCH, "client", "conversation-worker", Some("process inbox")),
    (SEARCH, "server", "embedding-service", Some(SEARCH)),
    ("chat gpt-4o-mini", "client", "conversation-worker", Some("process inbox")),
    ("GET /vehicles/available", "client", "conversation-worker", Some("process inbox")),
    ("commit turn", "internal", "conversation-worker", Some("process inbox")),
    ("send infobip", "client", "conversation-worker", Some("send inbox")),
];

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_webhook_to_the_reply() {
    for deployment in [Deployment::One, Deployment::Cluster] {
        let mut tries = 0;
        while !followed(deployment).await {
            tries += 1;
            assert!(tries < TRIES, "{deployment:?}: no bell of the gateway was the first, {TRIES} times");
        }
    }
}

/// Follows one wish. False: the sweeper saw it between the gateway's commit and its bell, and rang first; such a bell
/// knows no message, so what it starts has a trace of its own.
async fn followed(deployment: Deployment) -> bool {
    let otlp = Receiver::start("Bearer of-the-journeys").await.expect("a port");
    let langfuse = Receiver::start(BASIC).await.expect("a port");
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-journeys"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("LANGFUSE_HOST", langfuse.url()),
        ("LANGFUSE_PUBLIC_KEY", "public"),
        ("LANGFUSE_SECRET_KEY", "secret-of-the-journeys"),
        ("LOG_LEVEL", "WARNING"), // decides over lines, not over spans
    ];
    let free = Free::start_in(deployment, &environment).await;
    free.knows_the_wish();
    let mut ana = free.world.person(ANA);
    ana.says(WISH).await;
    ana.hears(&["red Škoda Octavia"]).await;
    free.world.quiet().await;

    let complete = |spans: &[Span]| {
        let trace = trace_of(spans, "send infobip");
        TREE.iter().all(|(name, kind, ..)| {
            let spans = if *name == BELLS { spans } else { &trace };
            spans.iter().any(|span| (&*span.name, span.kind) == (*name, *kind))
        })
    };
    let spans = otlp.wait_for(PATIENCE, complete).await;
    let spans = spans.unwrap_or_else(|spans| panic!("{deployment:?}: the trace is not whole:\n{}", shown(&spans)));
    let trace = trace_of(&spans, "send infobip");
    if !trace.iter().any(|span| span.name == BELLS) {
        return false;
    }
    check_tree(&trace, deployment);
    check_fields(&trace);

    let about_models = langfuse.wait_for(PATIENCE, |spans| {
        ["process inbox", "chat gpt-4o-mini"].iter().all(|name| spans.iter().any(|span| span.name == *name))
    });
    let about_models = about_models.await.unwrap_or_else(|spans| panic!("{deployment:?}:\n{}", shown(&spans)));
    let is_about_models = |span: &Span| span.name == "process inbox" || span.name.starts_with("chat ");
    assert!(about_models.iter().all(is_about_models), "{}", shown(&about_models));
    for receiver in [&otlp, &langfuse] {
        assert_eq!(receiver.problems(), [""; 0], "{deployment:?}");
        nobody_is_in(&receiver.spans());
    }
    true
}

/// A worker that cannot reach the model logs a line; the line and the span that it belongs to have one trace id.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_log_leads_to_its_trace() {
    let otlp = Receiver::start("Bearer of-the-journeys").await.expect("a port");
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-journeys"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("LOG_LEVEL", "WARNING"),
    ];
    let mut free = Free::start_in(Deployment::Cluster, &environment).await;
    free.model.answer_badly(simulator::model::BadAnswer::ALL[0], 50);
    let mut ana = free.world.person(ANA);
    ana.says("Which vehicles are free tomorrow?").await;
    ana.hears(&[""]).await;
    free.world.quiet().await;
    let sent = |spans: &[Span]| !trace_of(spans, "send infobip").is_empty();
    let spans = otlp.wait_for(PATIENCE, sent).await.unwrap_or_else(|spans| panic!("{}", shown(&spans)));
    let trace = &trace_of(&spans, "send infobip")[0].trace;
    let log = free.world.process("conversation-worker").log();
    let lines: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told =
        lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with("the model gave no")));
    let told = told.unwrap_or_else(|| panic!("no line says that the model failed:\n{log}"));
    let turn = told["spans"].as_array().into_iter().flatten().find(|span| span["name"] == "turn");
    assert_eq!(turn.expect("a turn is around the line")["trace_id"], trace.as_str(), "{told}");
}

/// The spans of the trace that this span belongs to, in the order in which they came.
fn trace_of(spans: &[Span], name: &str) -> Vec<Span> {
    let of = spans.iter().find(|span| span.name == name);
    spans.iter().filter(|span| of.is_some_and(|of| of.trace == span.trace)).cloned().collect()
}

fn check_tree(trace: &[Span], deployment: Deployment) {
    let find = |name: &str, kind: &str| trace.iter().find(|span| span.name == name && span.kind == kind);
    for (name, kind, service, parent) in TREE {
        let span = find(name, kind).expect("it was waited for");
        let service = if deployment == Deployment::One { "dragoman" } else { service };
        assert_eq!(span.service, service, "{name}:\n{}", shown(trace));
        let above = span.parent.as_ref().map(|id| {
            let above = trace.iter().find(|span| span.id == *id);
            above.unwrap_or_else(|| panic!("{name} has a parent that never came:\n{}", shown(trace))).name.as_str()
        });
        assert_eq!(above, parent, "{name}:\n{}", shown(trace));
        assert!(!span.failed, "{name}:\n{}", shown(trace));
    }
    let sent = find("send inbox", "producer").expect("it was waited for");
    for (name, kind) in [(BELLS, "consumer"), ("process inbox", "consumer")] {
        let links = &find(name, kind).expect("it was waited for").links;
        assert_eq!(links, std::slice::from_ref(&sent.id), "{name} is linked to the span that sent the message");
    }
    let roots = trace.iter().filter(|span| span.parent.is_none()).count();
    assert_eq!(roots, 1, "one root:\n{}", shown(trace));
}

/// The conventions' attributes.
fn check_fields(trace: &[Span]) {
    for (name, kind, fields) in [
        (
            "POST /webhook",
            "server",
            &[
                ("http.request.method", "POST"),
                ("http.route", "/webhook"),
                ("http.response.status_code", "200"),
                ("account", "infobip:main"),
            ][..],
        ),
        (
            "send inbox",
            "producer",
            &[
                ("messaging.system", "dragoman"),
                ("messaging.operation.type", "send"),
                ("messaging.destination.name", "inbox"),
                ("messaging.batch.message_count", "1"),
            ],
        ),
        (BELLS, "consumer", &[("messaging.operation.type", "process"), ("messaging.destination.name", "bells")]),
        (
            "process inbox",
            "consumer",
            &[("messaging.operation.type", "process"), ("messaging.destination.name", "inbox"), ("seq", "1")],
        ),
        (SEARCH, "client", &[("rpc.system.name", "grpc"), ("rpc.method", SEARCH), ("rpc.status_code", "OK")]),
        (SEARCH, "server", &[("rpc.system.name", "grpc"), ("rpc.method", SEARCH), ("rpc.status_code", "OK")]),
        (
            "chat gpt-4o-mini",
            "client",
            &[
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.provider.name", "openai_compatible"),
                ("gen_ai.request.model", "gpt-4o-mini"),
            ],
        ),
        (
            "GET /vehicles/available",
            "client",
            &[
                ("http.request.method", "GET"),
                ("url.template", "/vehicles/available"),
                ("server.address", "127.0.0.1"),
                ("http.response.status_code", "200"),
            ],
        ),
        (
            "send infobip",
            "client",
            &[
                ("messaging.system", "infobip"),
                ("messaging.operation.type", "send"),
                ("messaging.destination.name", "infobip:main"),
            ],
        ),
    ] {
        let span = trace.iter().find(|span| span.name == name && span.kind == kind).expect("it was waited for");
        for (field, value) in fields {
            assert_eq!(span.fields.get(*field).map(String::as_str), Some(*value), "{name} {field}:\n{}", shown(trace));
        }
    }
    let turn = trace.iter().find(|span| span.name == "process inbox").expect("it was waited for");
    let chat = trace.iter().filter(|span| span.name == "chat gpt-4o-mini");
    for chat in chat {
        let id = "gen_ai.conversation.id";
        assert!(chat.fields.contains_key(id) && chat.fields.get(id) == turn.fields.get(id), "{chat:?}");
        for tokens in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
            assert!(chat.fields.get(tokens).is_some_and(|count| count.parse::<u64>().is_ok()), "{chat:?}");
        }
    }
}

/// No span says who wrote, what was written, what was answered, or a secret.
fn nobody_is_in(spans: &[Span]) {
    let person = ANA.trim_start_matches('+');
    let day = day(1).to_string();
    for span in spans {
        let text = format!("{} {:?}", span.name, span.fields).to_lowercase();
        for word in [person, "ana horvat", "horvat", "tomorrow", "drive", "škoda", "octavia", "secret", &*day] {
            assert!(!text.contains(word), "{word}: {span:?}");
        }
    }
}

/// Spans in lines, for a failure.
fn shown(spans: &[Span]) -> String {
    let line = |span: &Span| {
        let (trace, parent) = (&span.trace[..6], span.parent.as_deref().unwrap_or("-"));
        format!("{trace} {} <- {parent} {} {} {} {:?}", span.id, span.service, span.kind, span.name, span.fields)
    };
    spans.iter().map(line).collect::<Vec<_>>().join("\n")
}
