//! The other sides of the network: fake platforms, OAuth2 server and a demo fleet with its backend.
//!
//! For `dragoman`, tests and benches; nothing in production depends on it. Every fake is a cheap handle: clones are the
//! same fake, `router()` gives its routes and `serve(listener, shutdown)` serves them on a listener that is already
//! bound. Only `serve` can cut connections; under `axum::serve` such a fault answers 502. State is in memory.
//!
//! | part | is | reached at |
//! |---|---|---|
//! | [`infobip::Infobip`] | WhatsApp through Infobip and the persons' phones | `POST /whatsapp/1/...` |
//! | [`meta::Meta`] | WhatsApp through Meta's Cloud API and the persons' phones | `/v23.0/...` |
//! | [`telegram::Telegram`] | Telegram's Bot API and the persons' phones | `/bot{token}/{method}` |
//! | [`oauth2::Server`] | token server for client credentials | `POST /oauth2/token` |
//! | [`fleet::Fleet`] | the demo backend; [`fleet::DOCUMENT`], [`fleet::OVERLAY`], [`fleet::document`] | its document's paths |
//! | [`model::Server`] | a scripted model: chat with tools, streams, embeddings | `/v1/...`, Azure's `/openai/...` |
//! | [`mock::Backend`] | a backend made from any parsed OpenAPI document | that document's paths |
//! | [`phone_router`] | the phone page and the simulator's own API, mounted beside other routes | `/phone`, `/simulator` |
//!
//! All of it in one process, in the order it has to happen:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use simulator::{Infobip, Platform, fleet, infobip, oauth2, page};
//! # use tokio::net::TcpListener;
//! # use tokio_util::sync::CancellationToken;
//! # async fn start(gateway: axum::Router, webhook: url::Url) -> Result<(), Box<dyn std::error::Error>> {
//! let shutdown = CancellationToken::new();
//! // 1. Token server and fleet may share a listener; the document gets the addresses that came out.
//! let tokens = oauth2::Server::new(oauth2::Config::client("dragoman", "demo-secret", "fleet"));
//! let guard = fleet::Guard::OAuth2 { server: tokens.clone(), scope: "fleet".to_owned() };
//! let vehicles = fleet::Fleet::new(fleet::Config { guard, ..fleet::Config::default() })?;
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let base: url::Url = format!("http://{}", listener.local_addr()?).parse()?;
//! let document = fleet::document(&base, &base.join(oauth2::TOKEN_PATH)?);
//! # let _ = document;
//! let tokens_too = tokens.clone();
//! let ends = shutdown.clone();
//! tokio::spawn(async move { vehicles.serve_with(tokens_too.router(), listener, ends).await });
//! // 2. The platform; the account's base URL is its listener's address, and the webhook is known once the gateway is.
//! let platform = Infobip::new(infobip::Config::new("demo-key", "385911000000"))?;
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let (serving, ends) = (platform.clone(), shutdown.clone());
//! tokio::spawn(async move { serving.serve(listener, ends).await });
//! platform.set_webhook(infobip::Webhook::new(webhook, "demo-webhook-secret"));
//! // 3. The page, beside the gateway's routes. `inside` tells about a person's last turns: see `page::Inside`.
//! let platform = Platform::Infobip(platform);
//! let phone = page::Phone {
//!     people: page::Someone::demo(&platform),
//!     platform,
//!     inside: Some(Arc::new(|peer: String| async move { serde_json::json!({"turns": [], "peer": peer}) })),
//! };
//! let page = page::Page {
//!     phones: vec![phone],
//!     title: "Fleet assistant".to_owned(),
//!     suggestions: vec!["Which vehicles are free tomorrow?".to_owned()],
//!     stop: shutdown.clone(),
//! };
//! let gateway = gateway.merge(simulator::phone_router(page));
//! # let _ = gateway; Ok(()) }
//! ```
//!
//! Identity on the fleet: operation `GET /people`, parameter `phone`, answer `person_id` from `/0/id`, label `/0/name`;
//! an unknown number answers `[]`. A test drives a person with [`Infobip::say`], [`Infobip::wait_for`] and
//! [`phone::Chat::find_choice`], and makes trouble with `faults()` and `set_trouble()` of each fake.

mod backend;
mod contract;
pub mod faults;
pub mod fleet;
pub mod infobip;
pub mod meta;
pub mod mock;
pub mod model;
pub mod oauth2;
pub mod page;
mod parts;
pub mod phone;
pub mod platform;
mod posting;
mod serve;
pub mod telegram;
mod template;
pub mod trouble;

pub use infobip::Infobip;
pub use meta::Meta;
pub use page::{Inside, Page, phone_router};
pub use parts::FilePart;
pub use platform::Platform;
pub use telegram::Telegram;
