//! Azure, endpoints that differ, keys.

use std::time::Duration;

use llm::{Chat, ChatConfig, LlmError, Provider};
use secrecy::SecretString;
use simulator::model::{Config, Refuses, When};

use crate::{KEY, Running, chat, question, start};

fn refused(error: &LlmError) -> u16 {
    match error {
        LlmError::Refused { status, .. } => *status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn azure_is_reached_by_deployment_version_and_its_own_header() {
    let running = Running::openai().await;
    running.server.script(When::any(), "From Azure.");
    let ask = async |provider: Provider| {
        chat(ChatConfig { provider, ..running.config() }).complete(&question("x"), None).await
    };
    let answer = ask(running.azure(KEY, "2024-10-21", "chat")).await.expect("an answer");
    assert_eq!((answer.text.as_str(), answer.model.as_str()), ("From Azure.", "gpt-4o-mini"));
    for (key, version, deployment, status, code) in [
        ("wrong", "2024-10-21", "chat", 401, "401"),
        (KEY, "2023-01-01", "chat", 404, "404"),
        (KEY, "2024-10-21", "other", 404, "DeploymentNotFound"),
    ] {
        let error = ask(running.azure(key, version, deployment)).await.expect_err("refused");
        assert_eq!(error, LlmError::Refused { status, reason: code.to_owned() });
    }
    let chat = chat(ChatConfig { provider: running.azure(KEY, "2024-10-21", "chat"), ..running.config() });
    chat.probe(Duration::from_secs(10)).await.expect("there");
    assert_eq!(chat.provider_name(), "azure.ai.openai");
}

#[tokio::test]
async fn wrong_keys_and_models_are_refusals_that_show_no_key() {
    let running = Running::openai().await;
    let other = "sk-other-0123456789abcdef-secret";
    for (key, model, status) in [(other, "gpt-4o-mini", 401), (KEY, "gpt-9", 404)] {
        let chat = chat(ChatConfig { provider: running.provider(key, model), ..running.config() });
        let error = chat.complete(&question("x"), None).await.expect_err("refused");
        assert_eq!(refused(&error), status);
        assert!(!error.to_string().contains("sk-"), "{error}");
        assert!(!format!("{error:?}").contains("sk-"), "{error:?}");
        assert_eq!(chat.probe(Duration::from_secs(10)).await.is_ok(), status == 404);
    }
}

#[tokio::test]
async fn an_endpoint_without_a_key_gets_none() {
    let running = start(Config { api_key: None, ..Config::new(KEY) }).await;
    let provider = Provider::OpenAiCompatible {
        base_url: running.base.join("v1/").expect("a URL"),
        api_key: None,
        model: "gpt-4o-mini".to_owned(),
    };
    chat(ChatConfig { provider, ..running.config() }).complete(&question("x"), None).await.expect("an answer");
}

async fn check_dialect(refuses: Refuses, requests: usize) {
    let running = start(Config { refuses, ..Config::new(KEY) }).await;
    running.server.script(When::any(), "Fine.");
    let chat = running.chat();
    let request = llm::ChatRequest { temperature: Some(0.5), ..question("x") };
    for _ in 0..2 {
        let answer = chat.complete(&request, None).await.expect("an answer");
        assert_eq!((answer.text.as_str(), answer.usage.input_tokens > 0), ("Fine.", true), "{refuses:?}");
    }
    // Found out once, known the second time.
    assert_eq!(running.server.asked().len(), requests, "{refuses:?}");
}

#[tokio::test]
async fn what_an_endpoint_does_not_take_is_found_out_once() {
    check_dialect(Refuses::default(), 2).await;
    check_dialect(Refuses { stream: true, ..Refuses::default() }, 3).await;
    check_dialect(Refuses { stream_options: true, ..Refuses::default() }, 3).await;
    check_dialect(Refuses { max_tokens: true, ..Refuses::default() }, 3).await;
    check_dialect(Refuses { temperature: true, ..Refuses::default() }, 3).await;
    check_dialect(Refuses { stream: true, stream_options: true, max_tokens: true, temperature: true }, 5).await;
}

#[test]
fn what_cannot_be_used_is_an_error_of_configuration() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let provider = |url: &str, key: &str, model: &str| Provider::OpenAiCompatible {
        base_url: url.parse().expect("a URL"),
        api_key: Some(SecretString::from(key)),
        model: model.to_owned(),
    };
    for (provider, words) in [
        (provider("ftp://example.org/v1", KEY, "m"), "http://"),
        (provider("https://example.org/v1", "a\nb", "m"), "cannot be sent"),
        (provider("https://example.org/v1", KEY, " "), "name is empty"),
    ] {
        let error = Chat::new(ChatConfig::new(provider)).err().expect("an error").to_string();
        assert!(error.contains(words), "{error}");
    }
}
