//! The clients against the simulator's model server, over HTTP.

mod bad_answers;
mod chat;
mod embed;
mod endpoints;

use std::time::Duration;

use llm::{Chat, ChatConfig, ChatLimits, ChatRequest, Message, Provider, Retry, Tool};
use secrecy::SecretString;
use serde_json::json;
use simulator::model::{Config, Server};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// Long and odd enough to be found wherever it should not be.
const KEY: &str = "sk-test-0123456789abcdef-secret";

/// A model server that ends with the test.
struct Running {
    server: Server,
    base: Url,
    _ends: DropGuard,
}

async fn start(config: Config) -> Running {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
    let server = Server::new(config);
    let ends = CancellationToken::new();
    let (serving, until) = (server.clone(), ends.clone());
    tokio::spawn(async move { serving.serve(listener, until).await });
    Running { server, base, _ends: ends.drop_guard() }
}

impl Running {
    async fn openai() -> Self {
        start(Config::new(KEY)).await
    }

    fn provider(&self, key: &str, model: &str) -> Provider {
        Provider::OpenAiCompatible {
            base_url: self.base.join("v1").expect("a URL"),
            api_key: Some(SecretString::from(key)),
            model: model.to_owned(),
        }
    }

    fn azure(&self, key: &str, api_version: &str, deployment: &str) -> Provider {
        Provider::Azure {
            endpoint: self.base.clone(),
            api_key: SecretString::from(key),
            api_version: api_version.to_owned(),
            deployment: deployment.to_owned(),
        }
    }

    /// One attempt, generous deadlines.
    fn config(&self) -> ChatConfig {
        ChatConfig {
            limits: ChatLimits {
                first_token: Duration::from_secs(20),
                whole: Duration::from_secs(30),
                ..ChatLimits::default()
            },
            retry: Retry { attempts: 1, ..Retry::default() },
            ..ChatConfig::new(self.provider(KEY, "gpt-4o-mini"))
        }
    }

    fn chat(&self) -> Chat {
        chat(self.config())
    }
}

fn chat(config: ChatConfig) -> Chat {
    Chat::new(config).expect("a client")
}

fn question(text: &str) -> ChatRequest {
    let parameters = json!({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]});
    let tool = |name: &str, description: &str| Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: parameters.clone(),
    };
    ChatRequest {
        messages: vec![Message::system("You help."), Message::user(text)],
        tools: vec![tool("get_vehicle", "One vehicle"), tool("list_vehicles", "All vehicles")],
        ..ChatRequest::default()
    }
}
