//! The three platforms behind one face, for the phone page and the control API: what a person does, and what they see.

mod act;
mod control;

use std::time::Duration;

use axum::Router;
use domain::Micros;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use self::act::{Act, Refused};
pub(crate) use self::control::router as control_router;
use crate::{
    Infobip, Meta, Telegram,
    faults::Faults,
    infobip::Reads,
    phone::{Chat, Tick},
    serve,
    template::Template,
    trouble::Trouble,
};

/// How long typing is shown after a read mark on Infobip, whose API has no sign of its own.
const TYPING_LENGTH: Duration = Duration::from_secs(25);

/// A fake platform.
#[derive(Clone)]
pub enum Platform {
    /// WhatsApp through Infobip.
    Infobip(Infobip),
    /// WhatsApp through Meta's Cloud API.
    Meta(Meta),
    /// Telegram.
    Telegram(Telegram),
}

impl Platform {
    /// Its name in addresses: `infobip`, `meta` or `telegram`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Infobip(_) => "infobip",
            Self::Meta(_) => "meta",
            Self::Telegram(_) => "telegram",
        }
    }

    /// Its name for people.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Infobip(_) => "WhatsApp (Infobip)",
            Self::Meta(_) => "WhatsApp (Meta)",
            Self::Telegram(_) => "Telegram",
        }
    }

    /// Serves its API, and other routes beside it, until `shutdown`. Connections can be cut on command.
    pub async fn serve_with(&self, other: Router, listener: TcpListener, shutdown: CancellationToken) {
        let api = match self {
            Self::Infobip(infobip) => infobip.router(),
            Self::Meta(meta) => meta.router(),
            Self::Telegram(telegram) => telegram.router(),
        };
        serve::serve(other.merge(api), listener, shutdown).await;
    }

    /// A person does something; gives the platform's id of it, or the person's own message that it changed.
    ///
    /// # Errors
    /// When people cannot do that on this platform, or not now.
    pub fn act(&self, peer: &str, act: Act) -> Result<String, Refused> {
        act::act(self, peer, act)
    }

    /// What people can do there, by the names of [`Act`].
    pub fn acts(&self) -> &'static [&'static str] {
        act::acts(self)
    }

    /// A file that a person may send; gives its id.
    pub fn add_file(&self, media_type: &str, content: &[u8]) -> String {
        match self {
            Self::Infobip(infobip) => {
                let path = infobip.add_media(media_type, content);
                path.rsplit('/').next().unwrap_or_default().to_owned()
            }
            Self::Meta(meta) => meta.add_media(media_type, content),
            Self::Telegram(telegram) => telegram.add_media(media_type, content),
        }
    }

    /// A file's type and bytes, whoever sent it.
    pub fn file(&self, id: &str) -> Option<(String, Vec<u8>)> {
        match self {
            Self::Infobip(infobip) => infobip.media(id),
            Self::Meta(meta) => meta.media(id),
            Self::Telegram(telegram) => telegram.media(id),
        }
    }

    /// The name of a person.
    pub fn set_name(&self, peer: &str, name: &str) {
        match self {
            Self::Infobip(infobip) => infobip.set_name(peer, name),
            Self::Meta(meta) => meta.set_name(peer, name),
            Self::Telegram(telegram) => telegram.set_name(peer, name),
        }
    }

    /// Persons read when [`Platform::look`] says so. On Telegram they always do.
    pub fn read_when_shown(&self) {
        match self {
            Self::Infobip(infobip) => infobip.set_reads(Reads::WhenShown),
            Self::Meta(meta) => meta.set_reads(Reads::WhenShown),
            Self::Telegram(_) => {}
        }
    }

    /// The person opens the chat.
    pub fn look(&self, peer: &str) {
        match self {
            Self::Infobip(infobip) => infobip.look(peer),
            Self::Meta(meta) => meta.look(peer),
            Self::Telegram(telegram) => telegram.look(peer),
        }
    }

    /// What the person sees; an empty chat for a stranger.
    pub fn chat(&self, peer: &str) -> Chat {
        match self {
            Self::Infobip(infobip) => infobip.chat(peer),
            Self::Meta(meta) => meta.chat(peer),
            Self::Telegram(telegram) => telegram.chat(peer),
        }
    }

    /// Whether the person blocks the business.
    pub fn is_blocked(&self, peer: &str) -> bool {
        match self {
            Self::Infobip(infobip) => infobip.is_blocked(peer),
            Self::Meta(meta) => meta.is_blocked(peer),
            Self::Telegram(telegram) => telegram.is_blocked(peer),
        }
    }

    /// Until when typing is shown, if it is.
    pub fn typing_until(&self, peer: &str) -> Option<Micros> {
        match self {
            Self::Infobip(infobip) => {
                let chat = infobip.chat(peer);
                let last = chat.bubbles.last()?;
                (last.mine && last.tick == Tick::Read).then_some(last.at + TYPING_LENGTH)
            }
            Self::Meta(meta) => meta.typing_until(peer),
            Self::Telegram(telegram) => telegram.typing_until(peer),
        }
    }

    /// A counter that moves with every change of any chat.
    pub fn changes(&self) -> watch::Receiver<u64> {
        match self {
            Self::Infobip(infobip) => infobip.changes(),
            Self::Meta(meta) => meta.changes(),
            Self::Telegram(telegram) => telegram.changes(),
        }
    }

    /// Up to `limit` webhooks with numbers below `before`, the newest of them, oldest first.
    fn webhooks(&self, before: Option<usize>, limit: usize) -> Vec<Value> {
        match self {
            Self::Infobip(infobip) => infobip.told_webhooks(before, limit),
            Self::Meta(meta) => meta.told_webhooks(before, limit),
            Self::Telegram(telegram) => telegram.told_webhooks(before, limit),
        }
    }

    /// What it has approved; none where it has no templates.
    fn templates(&self) -> Option<Vec<Template>> {
        match self {
            Self::Infobip(infobip) => Some(infobip.templates()),
            Self::Meta(meta) => Some(meta.templates()),
            Self::Telegram(_) => None,
        }
    }

    fn add_template(&self, template: Template) -> bool {
        match self {
            Self::Infobip(infobip) => infobip.add_template(template),
            Self::Meta(meta) => meta.add_template(template),
            Self::Telegram(_) => false,
        }
    }

    fn remove_template(&self, name: &str, language: &str) -> bool {
        match self {
            Self::Infobip(infobip) => infobip.remove_template(name, language),
            Self::Meta(meta) => meta.remove_template(name, language),
            Self::Telegram(_) => false,
        }
    }

    fn faults(&self) -> &Faults {
        match self {
            Self::Infobip(infobip) => infobip.faults(),
            Self::Meta(meta) => meta.faults(),
            Self::Telegram(telegram) => telegram.faults(),
        }
    }

    fn trouble(&self) -> Trouble {
        match self {
            Self::Infobip(infobip) => infobip.trouble(),
            Self::Meta(meta) => meta.trouble(),
            Self::Telegram(telegram) => telegram.trouble(),
        }
    }

    fn set_trouble(&self, trouble: Trouble) {
        match self {
            Self::Infobip(infobip) => infobip.set_trouble(trouble),
            Self::Meta(meta) => meta.set_trouble(trouble),
            Self::Telegram(telegram) => telegram.set_trouble(trouble),
        }
    }
}
