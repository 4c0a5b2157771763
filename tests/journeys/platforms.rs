//! People on Meta's WhatsApp and on Telegram: the same conversations by other contracts.

use simulator::{
    Meta, Telegram,
    faults::Fault,
    fleet::{ANA, Call},
    meta::{self, Handshake},
    phone::{Bubble, Chat, Kind, Tick},
    telegram,
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{
    process::PATIENCE,
    world::{Deployment, World, whole},
};

const NUMBER: &str = "106540352242922";
const META_TOKEN: &str = "meta-token-of-the-journeys";
const META_SECRET: &str = "meta-secret-of-the-journeys";
const VERIFY: &str = "open sesame";
const BOT: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const BOT_SECRET: &str = "bot-secret-of-the-journeys";
/// Ana on Telegram.
pub const ANA_ID: &str = "222222222";
pub const BOTH: [Deployment; 2] = [Deployment::One, Deployment::Cluster];

/// A server of the journey: its address, and what ends it.
pub async fn listener() -> (TcpListener, Url, CancellationToken, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}", listener.local_addr().expect("an address"))).expect("a URL");
    let stop = CancellationToken::new();
    (listener, url, stop.clone(), stop.drop_guard())
}

/// Meta's platform beside a deployment that has one of its numbers.
pub struct OnMeta {
    pub world: World,
    pub meta: Meta,
    _stop: DropGuard,
}

impl OnMeta {
    async fn start(deployment: Deployment) -> Self {
        Self::start_with(deployment, &[]).await
    }

    /// With variables of every process besides.
    pub async fn start_with(deployment: Deployment, more: &[(&str, &str)]) -> Self {
        let meta = Meta::new(meta::Config::new(META_TOKEN, NUMBER, "385911000000")).expect("a platform");
        let (listener, url, ends, stop) = listener().await;
        let serving = meta.clone();
        tokio::spawn(async move { serving.serve(listener, ends).await });
        let environment = [
            ("META_PHONE_NUMBER_ID", NUMBER),
            ("META_ACCESS_TOKEN", META_TOKEN),
            ("META_APP_SECRET", META_SECRET),
            ("META_VERIFY_TOKEN", VERIFY),
            ("META_API_URL", url.as_str()),
        ];
        let world = World::start_in(deployment, &[], &[&environment[..], more].concat()).await;
        let webhook = format!("http://{}/webhook/meta/main", world.http).parse().expect("a URL");
        meta.set_webhook(meta::Webhook::new(webhook, META_SECRET, VERIFY));
        meta.set_name(ANA, "Ana Horvat");
        Self { world, meta, _stop: stop }
    }

    /// Waits until nothing is on its way, then the person writes.
    pub async fn says(&self, said: meta::Said) -> String {
        self.quiet().await;
        self.meta.say(ANA, said)
    }

    pub async fn quiet(&self) {
        self.world.quiet_with(&self.meta).await;
    }

    pub async fn hears(&self, words: &[&str]) -> Bubble {
        let heard = |chat: &Chat| answer_with(chat, words).is_some();
        let chat = self.meta.wait_for(ANA, PATIENCE, heard).await;
        answer_with(&chat.unwrap_or_else(|chat| panic!("no answer with {words:?}: {chat:#?}")), words)
            .expect("just seen")
    }

    async fn taps(&self, title: &str) {
        self.quiet().await;
        let (id, title, quoted) = button(&self.meta.chat(ANA), title);
        self.meta.say(ANA, meta::Said::Button { id, title, quoted: Some(quoted) });
    }
}

pub fn text(words: &str) -> meta::Said {
    meta::Said::Text { text: words.to_owned(), quoted: None }
}

/// The last answer, if it has all of these words.
fn answer_with(chat: &Chat, words: &[&str]) -> Option<Bubble> {
    chat.last_answer().filter(|bubble| words.iter().all(|word| whole(bubble).contains(word))).cloned()
}

/// Id and title of the last answer's button whose title begins so, and the message above it.
fn button(chat: &Chat, title: &str) -> (String, String, String) {
    let last = chat.last_answer().expect("an answer");
    let Kind::Buttons { buttons } = &last.kind else { panic!("no buttons: {last:?}") };
    let button = buttons.iter().find(|button| button.title.starts_with(title)).unwrap_or_else(|| panic!("{last:?}"));
    (button.id.clone(), button.title.clone(), last.id.clone())
}

fn only_booking(effects: &[Call]) -> &Call {
    let [call] = effects else { panic!("one effect: {effects:?}") };
    assert_eq!(call.operation, "POST /bookings");
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_on_metas_whatsapp_becomes_one_effect_after_one_yes() {
    for deployment in BOTH {
        let there = OnMeta::start(deployment).await;
        assert_eq!(there.meta.verify().await, Handshake::Accepted);
        assert_eq!(there.meta.verify_as("guess").await, Handshake::Refused(403));
        let wish = there.says(text("book the red van tomorrow 9-12")).await;
        there.hears(&["ZG 9012-EF", "09:00", "12:00"]).await;
        assert!(there.world.effects().is_empty(), "nothing runs before the yes");
        // A sign at the question is no yes to it, and not answered.
        there.says(meta::Said::Reaction { to: wish.clone(), emoji: Some("👍".to_owned()) }).await;
        there.quiet().await;
        assert!(there.world.effects().is_empty());
        assert_eq!(there.meta.chat(ANA).answers().count(), 1);
        there.taps("Yes").await;
        there.hears(&["4711"]).await;
        there.quiet().await;
        only_booking(&there.world.effects());
        let chat = there.meta.chat(ANA);
        let asked = chat.bubbles.iter().find(|bubble| bubble.id == wish).expect("the wish");
        assert_eq!(asked.tick, Tick::Read, "a person sees that their words were read");
        assert!(chat.answers().all(|bubble| bubble.tick == Tick::Read));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_person_sends_on_meta_is_answered_or_kept_and_nothing_repeats() {
    for deployment in BOTH {
        let there = OnMeta::start(deployment).await;
        let answers = || there.meta.chat(ANA).answers().count();
        there.says(text("Which vehicles are free tomorrow?")).await;
        there.hears(&["ZG 1234-AB", "ZG 5678-CD"]).await;
        // Copies of one webhook are one message.
        there.quiet().await;
        there.meta.say_copies(ANA, text("help"), 8);
        there.hears(&["a person"]).await;
        there.quiet().await;
        assert_eq!(answers(), 2);
        for said in [
            meta::Said::Location { latitude: 45.8, longitude: 15.97, name: None, address: None },
            meta::Said::Unsupported,
        ] {
            let before = answers();
            there.says(said).await;
            there.quiet().await;
            assert_eq!(answers(), before + 1, "a kind that is not read is answered politely");
        }
        // Nobody waits for an answer to a message that was taken back.
        let before = answers();
        let said = there.says(text("hello")).await;
        there.hears(&["Ana"]).await;
        there.says(meta::Said::Revoke { of: said }).await;
        there.quiet().await;
        assert_eq!(answers(), before + 1);
        // Statuses in the wrong order, and each twice.
        there.meta.set_status_order(meta::StatusOrder::Backward);
        there.meta.set_status_copies(2);
        there.says(text("help")).await;
        there.quiet().await;
        assert_eq!(answers(), before + 2);
        assert!(there.meta.webhooks().iter().all(|webhook| webhook.taken), "none was refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_on_meta_comes_in_two_steps_and_reaches_the_backend() {
    let there = OnMeta::start(Deployment::Cluster).await;
    let photo: Vec<u8> = [0xff, 0xd8, 0xff, 0xe0].into_iter().chain((0..=255).cycle().take(40_000)).collect();
    let id = there.meta.add_media("image/jpeg", &photo);
    let caption = Some("I want to report damage of the caddy".to_owned());
    there.says(meta::Said::Media { media: "image".to_owned(), id, caption, name: None }).await;
    there.hears(&["Photo: 1, 40 kB", "What happened?"]).await;
    there.says(text("mirror broken")).await;
    there.hears(&["[Drivable]"]).await;
    there.taps("Drivable").await;
    there.hears(&["mirror broken", "ZG 5678-CD"]).await;
    there.taps("Yes").await;
    there.hears(&["Reported"]).await;
    there.quiet().await;
    let effects = there.world.effects();
    assert_eq!(effects.len(), 1);
    assert!(effects[0].files[0].content == photo);
}

/// Telegram beside a deployment that has a bot there.
pub struct OnTelegram {
    pub world: World,
    pub telegram: Telegram,
    _stop: DropGuard,
}

impl OnTelegram {
    /// With a webhook, or asked for updates.
    async fn start(deployment: Deployment, webhook: bool) -> Self {
        Self::start_with(deployment, webhook, &[]).await
    }

    /// With variables of every process besides.
    pub async fn start_with(deployment: Deployment, webhook: bool, more: &[(&str, &str)]) -> Self {
        let telegram = Telegram::new(telegram::Config::local(BOT, "desk_bot")).expect("a platform");
        let (listener, url, ends, stop) = listener().await;
        let serving = telegram.clone();
        tokio::spawn(async move { serving.serve(listener, ends).await });
        let mut environment = vec![("TELEGRAM_BOT_TOKEN", BOT), ("TELEGRAM_API_URL", url.as_str())];
        if webhook {
            environment.push(("TELEGRAM_WEBHOOK_URL", "https://bot.example.org/hooks/desk"));
            environment.push(("TELEGRAM_WEBHOOK_SECRET", BOT_SECRET));
        }
        environment.extend(more);
        let world = World::start_in(deployment, &[], &environment).await;
        if webhook {
            let url = format!("http://{}/hooks/desk", world.http).parse().expect("a URL");
            telegram.set_webhook(telegram::Webhook::new(url, BOT_SECRET));
        }
        telegram.set_name(ANA_ID, "Ana Horvat");
        Self { world, telegram, _stop: stop }
    }

    pub async fn says(&self, said: telegram::Said) -> String {
        self.quiet().await;
        self.telegram.say(ANA_ID, said).expect("that can be said")
    }

    pub async fn quiet(&self) {
        assert!(self.telegram.settled(PATIENCE).await, "every update was taken");
        self.world.quiet().await;
    }

    async fn hears(&self, words: &[&str]) -> Bubble {
        let heard = |chat: &Chat| answer_with(chat, words).is_some();
        let chat = self.telegram.wait_for(ANA_ID, PATIENCE, heard).await;
        answer_with(&chat.unwrap_or_else(|chat| panic!("no answer with {words:?}: {chat:#?}")), words)
            .expect("just seen")
    }

    async fn taps(&self, title: &str) -> String {
        self.quiet().await;
        let (id, title, quoted) = button(&self.telegram.chat(ANA_ID), title);
        self.says(telegram::Said::Button { id, title, quoted: Some(quoted.clone()) }).await;
        quoted
    }

    /// Shares her own contact, by which the backend knows her.
    async fn introduces_herself(&self) {
        self.says(telegram::Said::command("start")).await;
        self.hears(&["Hello Ana"]).await;
        let (phone_number, first_name) = (format!("+{}", ANA.trim_start_matches('+')), "Ana".to_owned());
        let before = self.telegram.chat(ANA_ID).answers().count();
        self.says(telegram::Said::Contact { phone_number, first_name, own: true }).await;
        self.quiet().await;
        assert_eq!(self.telegram.chat(ANA_ID).answers().count(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_on_telegram_becomes_one_effect_after_one_yes() {
    // One process asks for updates as on a laptop, the cluster has a webhook.
    for (deployment, webhook) in [(Deployment::One, false), (Deployment::Cluster, true)] {
        let there = OnTelegram::start(deployment, webhook).await;
        there.says(telegram::Said::text("book the red van tomorrow 9-12")).await;
        there.hears(&["Share your own contact"]).await;
        assert!(there.world.effects().is_empty(), "nobody knows who she is");
        there.introduces_herself().await;
        there.says(telegram::Said::text("book the red van tomorrow 9-12")).await;
        there.hears(&["ZG 9012-EF", "09:00", "12:00"]).await;
        assert!(there.world.effects().is_empty(), "nothing runs before the yes");
        let under = there.taps("Yes").await;
        there.hears(&["4711"]).await;
        there.quiet().await;
        only_booking(&there.world.effects());
        // The tap was acknowledged, and its keyboard is gone.
        let done = |chat: &Chat| chat.bubbles.iter().any(|bubble| bubble.id == under && bubble.kind == Kind::Text);
        there.telegram.wait_for(ANA_ID, PATIENCE, done).await.expect("the keyboard goes");
        assert!(there.telegram.unanswered().is_empty(), "{:?}", there.telegram.unanswered());
        assert!(there.telegram.actions().iter().any(|action| action.action == "typing"));
        assert!(there.telegram.oddities().is_empty(), "{:?}", there.telegram.oddities());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_answered_anew_and_is_no_yes() {
    let there = OnTelegram::start(Deployment::One, true).await;
    there.introduces_herself().await;
    let wish = there.says(telegram::Said::text("book the red van tomorrow 9-12")).await;
    there.hears(&["ZG 9012-EF", "09:00"]).await;
    there.says(telegram::Said::Edit { message: wish.clone(), text: "yes".to_owned() }).await;
    there.quiet().await;
    assert!(there.world.effects().is_empty(), "an edit of what was said before the question is no yes to it");
    there.hears(&["Please look at this first", "09:00"]).await;
    there.says(telegram::Said::Edit { message: wish, text: "book the red van tomorrow 10-13".to_owned() }).await;
    there.hears(&["10:00", "13:00"]).await;
    there.taps("Yes").await;
    there.hears(&["4711"]).await;
    there.quiet().await;
    let effects = there.world.effects();
    let from = only_booking(&effects).body["from"].as_str().expect("a time").to_owned();
    let from: jiff::Timestamp = from.parse().unwrap_or_else(|_| panic!("a time with its zone: {from}"));
    let there_then = from.to_zoned(jiff::tz::TimeZone::get("Europe/Zagreb").expect("a known zone"));
    assert_eq!(there_then.hour(), 10, "the wish as it was edited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_telegram_asks_for_is_kept_and_a_blocked_bot_says_nothing_more() {
    let there = OnTelegram::start(Deployment::Cluster, true).await;
    there.introduces_herself().await;
    let pause = Fault::Status { status: 429, retry_after: Some(2) };
    there.telegram.faults().next("POST sendMessage", pause);
    there.says(telegram::Said::text("help")).await;
    there.hears(&["a person"]).await;
    assert_eq!(there.telegram.early_calls(), 0, "nothing is asked before the pause is over");
    there.quiet().await;
    there.telegram.set_blocked(ANA_ID).expect("she blocks the bot");
    there.quiet().await;
    let answers = there.telegram.chat(ANA_ID).answers().count();
    there.telegram.say(ANA_ID, telegram::Said::Unblock).expect("she lets it in again");
    there.quiet().await;
    assert_eq!(there.telegram.chat(ANA_ID).answers().count(), answers, "nobody said anything");
    there.says(telegram::Said::text("help")).await;
    there.quiet().await;
    assert_eq!(there.telegram.chat(ANA_ID).answers().count(), answers + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_registered_shown_and_removed_by_command() {
    let there = OnTelegram::start(Deployment::One, true).await;
    let channels = |what: &str| {
        let data = tempfile::tempdir().expect("a folder");
        let output = there.world.command("dragoman").arg("--data").arg(data.path()).args(["channels", what]).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(channels("register").contains("telegram:main: updates go to https://bot.example.org/hooks/desk"));
    assert!(channels("status").contains("https://bot.example.org/hooks/desk; 0 wait"));
    assert!(channels("remove").contains("no webhook is registered any more"));
    assert!(channels("status").contains("no webhook is registered; 0 wait"));
}
