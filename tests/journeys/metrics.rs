//! What every process says of itself to Prometheus.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use domain::telemetry::{Kind, Metric, metric};
use simulator::fleet::ANA;

use crate::{
    free::{Free, WISH},
    world::Deployment,
};

/// What a turn with a model, a search, a call and a send leaves behind, by the process of a cluster that it stands in.
const RECORDED: [(&str, &[&str]); 3] = [
    (
        "ingress-gateway",
        &[
            metric::HTTP_REQUESTS,
            metric::HTTP_REQUEST_DURATION,
            metric::HTTP_REQUESTS_ACTIVE,
            metric::APP_REQUESTS,
            metric::APP_REQUEST_DURATION,
            metric::HTTP_SERVER_REQUEST_DURATION,
            metric::MESSAGES_RECEIVED,
            metric::WEBHOOKS,
            metric::DB_CONNECTIONS_ACTIVE,
        ],
    ),
    (
        "conversation-worker",
        &[
            metric::TURNS,
            metric::TURN_DURATION,
            metric::AI_CHAT_REQUESTS,
            metric::AI_RESPONSE_DURATION,
            metric::AI_TOKENS_USED,
            metric::GEN_AI_CLIENT_OPERATION_DURATION,
            metric::GEN_AI_CLIENT_TOKEN_USAGE,
            metric::HTTP_CLIENT_REQUEST_DURATION,
            metric::RPC_CLIENT_CALL_DURATION,
            metric::DB_CLIENT_OPERATION_DURATION,
            metric::BACKEND_CALLS,
            metric::OUTBOUND_SENDS,
        ],
    ),
    ("embedding-service", &[metric::RPC_SERVER_CALL_DURATION, metric::DB_CONNECTIONS_ACTIVE]),
];

#[tokio::test(flavor = "multi_thread")]
async fn after_a_turn_every_process_shows_its_metrics_by_the_rules() {
    for deployment in [Deployment::One, Deployment::Cluster] {
        let free = Free::start(deployment).await;
        free.knows_the_wish();
        let mut ana = free.world.person(ANA);
        ana.says(WISH).await;
        ana.hears(&["red Škoda Octavia"]).await;
        free.world.quiet().await;
        for process in free.world.names() {
            let url = format!("http://{}/metrics", free.world.ops(process));
            let text = reqwest::get(url).await.expect("an answer").text().await.expect("text");
            check(process, &text);
            let recorded = RECORDED.iter().filter(|(owner, _)| deployment == Deployment::One || *owner == process);
            for name in recorded.flat_map(|(_, names)| *names) {
                assert!(text.contains(&format!("# TYPE {name} ")), "{process} shows no {name}:\n{text}");
            }
        }
    }
}

/// Each family is in the table, with its own kind and help; no label names a person or a conversation; and promtool,
/// where it is at hand, finds nothing.
fn check(process: &str, text: &str) {
    let table: BTreeMap<&str, &Metric> = metric::ALL.iter().map(|metric| (metric.name, metric)).collect();
    let mut families = 0;
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let metric = table.get(name).unwrap_or_else(|| panic!("{process}: {name} is not in the table"));
            let expected = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            assert_eq!(kind, expected, "{process}: {name}");
            assert!(text.contains(&format!("# HELP {name} {}\n", metric.help)), "{process}: {name} has no help");
            families += 1;
        }
        let ids = line.split('"').skip(1).step_by(2).filter(|label| is_uuid(label) || label.contains(ANA)).count();
        assert_eq!(ids, 0, "{process}: {line}");
    }
    assert!(families > 0, "{process} shows no metric");
    promtool(process, text);
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// `promtool check metrics`: from PATH, or where `make verify` puts it.
fn promtool(process: &str, text: &str) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/apt_prometheus/bin/promtool");
    let program = if own.exists() { own } else { "promtool".into() };
    let started = Command::new(program).args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return }; // `make verify` brings it, so CI has it
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{process}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
}
