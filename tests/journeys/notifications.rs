//! What nobody asked for: in words, by template, or not at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{Clock, Micros, SystemClock};
use proto::conversation::v1::{
    self as pb, conversation_service_client::ConversationServiceClient, send_notification_request::Recipient,
};
use simulator::{Meta, fleet::ANA, meta, phone::Chat};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Status, transport::Channel};

use crate::{
    database::change,
    world::{Deployment, KEY, World},
};

const NUMBER: &str = "106540352242922";
const TOKEN: &str = "meta-token-of-the-journeys";
const SECRET: &str = "meta-secret-of-the-journeys";
const VERIFY: &str = "open sesame";
const WORDS: &str = "Your parcel is here.";
const FILLED: &str = "Hello Ana, parcel 4711 is here.";
const DAY_AND_HOUR: Duration = Duration::from_secs(25 * 3600);

/// The platform's clock, which may be ahead by so many seconds.
#[derive(Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Micros {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// Meta's platform beside a deployment, and a service that notifies.
struct There {
    world: World,
    meta: Meta,
    clock: Arc<Ahead>,
    client: ConversationServiceClient<Channel>,
    _stop: DropGuard,
}

impl There {
    async fn start(deployment: Deployment) -> Self {
        let clock = Arc::new(Ahead::default());
        let config = meta::Config { clock: clock.clone(), ..meta::Config::new(TOKEN, NUMBER, "385911000000") };
        let meta = Meta::new(config).expect("a platform");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, serving) = (CancellationToken::new(), meta.clone());
        let ends = stop.clone();
        tokio::spawn(async move { serving.serve(listener, ends).await });
        let environment = [
            ("META_PHONE_NUMBER_ID", NUMBER),
            ("META_ACCESS_TOKEN", TOKEN),
            ("META_APP_SECRET", SECRET),
            ("META_VERIFY_TOKEN", VERIFY),
            ("META_API_URL", url.as_str()),
        ];
        let world = World::start_in(deployment, &[], &environment).await;
        let webhook = format!("http://{}/webhook/meta/main", world.http).parse().expect("a URL");
        meta.set_webhook(meta::Webhook::new(webhook, SECRET, VERIFY));
        meta.set_name(ANA, "Ana Horvat");
        meta.add_template(meta::Template {
            name: "parcel".to_owned(),
            language: "en_US".to_owned(),
            body: "Hello {{1}}, parcel {{2}} is here.".to_owned(),
            buttons: Vec::new(),
        });
        let address = Channel::from_shared(format!("http://{}", world.conversation())).expect("a URL");
        let client = ConversationServiceClient::new(address.connect().await.expect("it listens"));
        Self { world, meta, clock, client, _stop: stop.drop_guard() }
    }

    async fn quiet(&self) {
        self.world.quiet_with(&self.meta).await;
    }

    async fn says(&self, words: &str) {
        self.quiet().await;
        self.meta.say(ANA, meta::Said::Text { text: words.to_owned(), quoted: None });
        self.quiet().await;
    }

    async fn notify(&mut self, key: &str) -> Result<pb::SendNotificationResponse, Status> {
        self.notify_at(ANA, pb::NotificationCategory::Service, key).await
    }

    async fn notify_at(
        &mut self,
        number: &str,
        category: pb::NotificationCategory,
        key: &str,
    ) -> Result<pb::SendNotificationResponse, Status> {
        let address =
            pb::Address { account: "meta:main".to_owned(), address: format!("+{}", number.trim_start_matches('+')) };
        let template = pb::Template {
            name: "parcel".to_owned(),
            language: "en_US".to_owned(),
            body_parameters: vec!["Ana".to_owned(), "4711".to_owned()],
        };
        let mut message = pb::SendNotificationRequest {
            recipient: Some(Recipient::Address(address)),
            text: WORDS.to_owned(),
            template: Some(template),
            idempotency_key: key.to_owned(),
            ..Default::default()
        };
        message.set_category(category);
        let sent = self.client.send_notification(with_key(message)).await.map(tonic::Response::into_inner);
        self.quiet().await;
        sent
    }

    async fn state(&mut self, sent: &pb::SendNotificationResponse) -> pb::GetNotificationResponse {
        let asked = pb::GetNotificationRequest { conversation_id: sent.conversation_id.clone(), seq: sent.seq };
        self.client.get_notification(with_key(asked)).await.expect("a state").into_inner()
    }

    /// How often the person got the words, and the template.
    fn got(&self) -> (usize, usize) {
        let chat: Chat = self.meta.chat(ANA);
        let count = |text: &str| chat.answers().filter(|bubble| bubble.text == text).count();
        (count(WORDS), count(FILLED))
    }

    /// By our clock she wrote longer ago, or less long.
    async fn wrote(&self, sql: &'static str) {
        assert!(change(&self.world.database, sql).await > 0);
    }
}

fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {KEY}").parse().expect("a header"));
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_goes_in_words_by_template_or_not_at_all() {
    for deployment in [Deployment::One, Deployment::Cluster] {
        let mut there = There::start(deployment).await;
        there.says("help").await;
        let first = there.notify("k1").await.expect("accepted");
        assert_eq!(there.got(), (1, 0), "she wrote just now");
        assert_eq!(there.state(&first).await.status, "read");
        let again = there.notify("k1").await.expect("accepted");
        assert_eq!((again.seq, again.duplicate, there.got()), (first.seq, true, (1, 0)));

        there.wrote("update inbox set accepted_at = accepted_at - 90000000000").await;
        let late = there.notify("k2").await.expect("accepted");
        assert_eq!(there.got(), (1, 1), "she wrote a day ago");
        assert!(!there.state(&late).await.template_followed, "nothing else was tried");

        // By the platform's clock it is too late, by ours it is not.
        there.wrote("update inbox set accepted_at = accepted_at + 90000000000").await;
        there.clock.0.store(DAY_AND_HOUR.as_secs(), Ordering::SeqCst);
        let refused = there.notify("k3").await.expect("accepted");
        assert_eq!(there.got(), (1, 2), "the template followed once");
        let state = there.state(&refused).await;
        assert_eq!((state.status.as_str(), state.template_followed), ("read", true));

        there.says("STOP").await;
        let told = there.meta.chat(ANA).last_answer().expect("an answer").text.clone();
        assert!(told.contains("START"), "{told}");
        let refused = there.notify("k4").await.expect_err("she wants none");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        let before = there.meta.chat(ANA).answers().count();
        there.says("help").await;
        assert_eq!(there.meta.chat(ANA).answers().count(), before + 1, "what she writes is answered");
        there.says("START").await;
        there.notify("k5").await.expect("accepted");
        assert_eq!(there.got(), (2, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_reaches_somebody_who_never_wrote_through_infobip_too() {
    let world = World::start(Deployment::One).await;
    let address = Channel::from_shared(format!("http://{}", world.conversation())).expect("a URL");
    let mut client = ConversationServiceClient::new(address.connect().await.expect("it listens"));
    let mut message = pb::SendNotificationRequest {
        recipient: Some(Recipient::Address(pb::Address {
            account: "infobip:main".to_owned(),
            address: "385991234567".to_owned(),
        })),
        template: Some(pb::Template {
            name: "parcel".to_owned(),
            language: "en".to_owned(),
            body_parameters: vec!["Ana".to_owned(), "4711".to_owned()],
        }),
        idempotency_key: "k1".to_owned(),
        ..Default::default()
    };
    message.set_category(pb::NotificationCategory::Service);
    let sent = client.send_notification(with_key(message.clone())).await.expect("accepted").into_inner();
    world.quiet().await;
    let said: Vec<String> = world.person("385991234567").chat().answers().map(|bubble| bubble.text.clone()).collect();
    assert_eq!(said, ["[parcel] Ana, 4711"]);
    let asked = pb::GetNotificationRequest { conversation_id: sent.conversation_id, seq: sent.seq };
    let state = client.get_notification(with_key(asked)).await.expect("a state").into_inner();
    assert!(["sent", "delivered", "read"].contains(&state.status.as_str()), "{state:?}");
    message.template = None;
    message.text = WORDS.to_owned();
    message.idempotency_key = "k2".to_owned();
    let refused = client.send_notification(with_key(message)).await.expect_err("nobody wrote");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_from_the_number_that_the_platform_writes_is_in_the_same_conversation() {
    const WRITTEN: &str = "5547988887777";
    const NUMBER: &str = "554788887777";
    let mut there = There::start(Deployment::One).await;
    there.meta.set_written(WRITTEN, NUMBER);
    let sent = there.notify_at(WRITTEN, pb::NotificationCategory::Service, "k1").await.expect("accepted");
    there.meta.say(NUMBER, meta::Said::Text { text: "help".to_owned(), quoted: None });
    there.quiet().await;
    assert_eq!(there.meta.chat(NUMBER).answers().count(), 2, "the template, and the answer");
    let request = pb::ListMessagesRequest { conversation_id: sent.conversation_id, ..Default::default() };
    let listed = there.client.list_messages(with_key(request)).await.expect("a history").into_inner().messages;
    let said: Vec<&str> = listed.iter().map(|message| message.text.as_str()).collect();
    assert_eq!((said.len(), said[1]), (3, "help"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stopped_marketing_at_the_platform_gets_no_more_of_it() {
    let mut there = There::start(Deployment::One).await;
    there.says("help").await;
    there.meta.refuse_next(131_050, 1);
    let sent = there.notify_at(ANA, pb::NotificationCategory::Marketing, "k1").await.expect("accepted");
    let state = there.state(&sent).await;
    assert_eq!((state.status.as_str(), state.reason.as_str()), ("failed", "no_marketing: HTTP 400 code 131050"));
    let refused = there.notify_at(ANA, pb::NotificationCategory::Marketing, "k2").await.expect_err("they want none");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    there.notify("k3").await.expect("a service's word goes");
    assert_eq!(there.got(), (1, 0));
}
