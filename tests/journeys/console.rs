//! The operators' console in a real headless Chromium.
//!
//! `CONSOLE_PICTURES=<folder>` writes a picture of each page, wide and narrow, light and dark, to `one` and `cluster`.
//! `CONSOLE_AXE=<axe.min.js>` checks each of them with axe-core; what is serious fails the journey.

use std::{path::PathBuf, time::Duration};

use chromiumoxide::{
    Page,
    cdp::browser_protocol::emulation::{MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams},
    page::ScreenshotParams,
};
use domain::{Content, ConversationId, Incoming, Tenant};
use serde_json::json;
use simulator::fleet::{ANA, MARKO};
use store::{Commit, DeadLetterNew, Role, Store, StoreConfig, Why};

use crate::{
    browser::{Chromium, text, until, write},
    default_start::DefaultStart,
    process::PATIENCE,
    world::{World, journeys},
};

journeys! { an_operator_signs_in_sees_what_happened_and_replays_a_dead_letter }

/// A message of Marko that was given up.
async fn give_up(store: &Store, message: &str, reason: &str, unknown_effect: bool) -> ConversationId {
    for attempt in 0..20 {
        let incoming = Incoming {
            tenant: Tenant::new("default").expect("a name"),
            account: "infobip:main".parse().expect("an account"),
            peer: MARKO.to_owned(),
            user: MARKO.to_owned(),
            provider: "infobip".to_owned(),
            provider_message_id: format!("{message}-{attempt}"),
            written_at: None,
            contact_name: Some("Marko Kovač".to_owned()),
            phone: Some(MARKO.to_owned()),
            quoted: None,
            content: Content::Text { text: "Which vehicles are free tomorrow?".to_owned() },
            traceparent: None,
        };
        let accepted = store.accept(&[incoming]).await.expect("accepted")[0];
        // A worker's sweep may be first; then the message is answered, and the next one is tried.
        let Some(lease) = store.claim(accepted.conversation, ConversationId::new().0).await.expect("an answer") else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let commit = Commit {
            first_seq: accepted.seq,
            last_seq: accepted.seq,
            steps: Vec::new(),
            replies: Vec::new(),
            begin_send: false,
            state: json!({}),
            audit: None,
            dead_letter: Some(DeadLetterNew { reason: reason.to_owned(), attempts: 5, unknown_effect }),
            alarms: store::Alarms::default(),
            opt_outs: Vec::new(),
            opted_at: None,
        };
        let committed = store.commit(&lease, &commit).await;
        store.release_idle(&lease).await.expect("released");
        if committed.is_ok() {
            return accepted.conversation;
        }
    }
    panic!("a worker was always first");
}

/// Follows the first link or button with these words, and waits for the page's heading.
async fn follow(page: &Page, words: &str, heading: &str) {
    let click = format!(
        "[...document.querySelectorAll('main a, main button, nav a, nav button')].find((one) => one.textContent.trim().startsWith({words:?})).click()"
    );
    until(page, &format!("document.readyState === 'complete' && [...document.querySelectorAll('main a, main button, nav a')].some((one) => one.textContent.trim().startsWith({words:?}))")).await;
    page.evaluate(click).await.expect("followed");
    until(
        page,
        &format!(
            "document.querySelector('h1')?.textContent.startsWith({heading:?}) && document.readyState === 'complete'"
        ),
    )
    .await;
}

/// A picture of the page as it stands, wide and narrow, light and dark, and what axe-core says of it.
async fn look(page: &Page, of: &str, name: &str) {
    let pictures = std::env::var_os("CONSOLE_PICTURES").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let axe = std::env::var_os("CONSOLE_AXE").filter(|path| !path.is_empty());
    let axe = axe.map(|path| std::fs::read_to_string(path).expect("axe-core"));
    for (width, height) in [(1280, 800), (390, 844)] {
        let size = SetDeviceMetricsOverrideParams::new(width, height, 1.0, width < 500);
        page.execute(size.clone()).await.expect("a size");
        let wide = page.evaluate("document.documentElement.scrollWidth").await.expect("a width");
        let wide: i64 = wide.into_value().expect("a number");
        assert!(wide <= width, "{name} is {wide} pixels wide on a screen of {width}");
        for scheme in ["light", "dark"] {
            let media = SetEmulatedMediaParams::builder().feature(MediaFeature::new("prefers-color-scheme", scheme));
            page.execute(media.build()).await.expect("a colour scheme");
            page.execute(size.clone()).await.expect("a size"); // a picture of the whole page forgets it
            if let Some(folder) = &pictures {
                let folder = folder.join(of);
                std::fs::create_dir_all(&folder).expect("a folder");
                let format = ScreenshotParams::builder().full_page(true).build();
                page.save_screenshot(format, folder.join(format!("{name}-{width}-{scheme}.png")))
                    .await
                    .expect("a picture");
            }
            if let Some(axe) = &axe {
                page.evaluate(axe.as_str()).await.expect("axe-core runs");
                let run = "axe.run().then((found) => found.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`))";
                let found: Vec<String> = page.evaluate(run).await.expect("an answer").into_value().expect("a list");
                for line in &found {
                    println!("axe {name} {width} {scheme}: {line}");
                }
                let serious = |line: &&String| line.starts_with("serious") || line.starts_with("critical");
                assert_eq!(found.iter().filter(serious).count(), 0, "{name}: {found:?}");
            }
        }
    }
    page.execute(SetDeviceMetricsOverrideParams::new(1280, 800, 1.0, false)).await.expect("a size");
}

/// Signs in, and waits for the overview.
async fn sign_in(page: &Page, token: &str) {
    write(page, "#token", token).await;
    until(page, "document.querySelector('#live')?.dataset.mode === 'live'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_the_one_process_opens_its_console_with_the_token_it_wrote() {
    let started = DefaultStart::new();
    service_kit::install_crypto();
    let chat = reqwest::Client::new().post(format!("http://{}/api/v1/chat", started.http));
    let chat = chat.json(&json!({ "message": "Which vehicles are free tomorrow?" })).send().await.expect("an answer");
    assert_eq!(chat.status(), 200);
    let (token, log) = (started.console_token(), started.log());
    let line = log.lines().find(|line| line.contains("operator's console")).expect("a line about the console");
    assert!(line.contains(&format!("http://localhost:{}/console", started.console.port())), "{line}");
    assert!(line.contains("console.token") && !log.contains(&token), "{line}");

    let chromium = Chromium::start().await;
    let page = chromium.open(format!("http://{}/", started.console)).await;
    until(&page, "document.querySelector('#token')").await;
    sign_in(&page, &token).await;
    until(&page, "document.querySelector('[data-figure=operations] .value').textContent > 0").await;
    follow(&page, "Conversations", "Conversations").await;
    page.evaluate("document.querySelector('tbody a').click()").await.expect("opened");
    until(&page, "document.querySelector('.event.call')").await;
    let shown = text(&page).await;
    for words in ["web:main", "Which vehicles are free tomorrow?", "candidates", "GET", "answered in"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    chromium.close().await;
}

async fn an_operator_signs_in_sees_what_happened_and_replays_a_dead_letter(world: World) {
    let of = if world.grpc.is_some() { "cluster" } else { "one" };
    let mut ana = world.person(ANA);
    ana.says("Which vehicles are free tomorrow?").await;
    ana.hears(&["ZG 5678-CD"]).await;
    ana.says("book the red van tomorrow 9-12").await;
    ana.hears(&["Yes"]).await;
    world.quiet().await;
    ana.taps("Yes");
    ana.hears(&["4711"]).await;
    world.quiet().await;
    let store = Store::connect(&StoreConfig {
        url: world.database.clone(),
        max_connections: 2,
        connect_wait: PATIENCE,
        role: Role::Admin,
    })
    .await
    .expect("the database");
    for (message, reason, unknown_effect) in [
        ("j1", "the backend never answered", false),
        ("j2", "the backend never answered", false),
        ("j3", "the turn asked for too much", true),
    ] {
        give_up(&store, message, reason, unknown_effect).await;
    }
    let account = "infobip:main".parse().expect("an account");
    let rejected = br#"{"messageTemplateName":"order_sent","change":{"newStatus":"REJECTED"}}"#;
    let event = Why::Event("TEMPLATE_STATUS_UPDATE.REJECTED".to_owned());
    store.store_unreadable(&Tenant::new("default").expect("a name"), &account, rejected, &event).await.expect("kept");

    let chromium = Chromium::start().await;
    let page = chromium.open(format!("http://{}/", world.console)).await;
    until(&page, "document.querySelector('#token')").await;
    look(&page, of, "sign-in").await;
    write(&page, "#token", "a-guess").await;
    until(&page, "document.querySelector('[role=alert]')").await;
    sign_in(&page, &world.console_token()).await;
    until(&page, "document.querySelector('[data-figure=dead_letters] .value').textContent === '3'").await;
    until(&page, "document.querySelector('[data-figure=operations] .value').textContent > 0").await;
    look(&page, of, "overview").await;

    follow(&page, "Conversations", "Conversations").await;
    look(&page, of, "conversations").await;
    page.evaluate("[...document.querySelectorAll('tbody a')].at(-1).click()").await.expect("opened");
    until(&page, "document.querySelector('h1').textContent.startsWith('Conversation with') && document.querySelector('.event.call')").await;
    let shown = text(&page).await;
    assert!(!shown.contains(ANA) && !shown.contains("Horvat"), "personal data is masked: {shown}");
    assert!(shown.contains("candidates") && shown.contains("POST") && shown.contains("answered in"), "{shown}");
    look(&page, of, "conversation").await;

    follow(&page, "Catalogue", "Catalogue").await;
    look(&page, of, "catalogue").await;
    follow(&page, "Search playground", "Search playground").await;
    write(&page, "#text", "which cars can I take tomorrow").await;
    until(&page, "document.querySelectorAll('tbody tr').length > 2").await;
    look(&page, of, "search").await;
    page.evaluate("document.querySelector('tbody a').click()").await.expect("opened");
    until(&page, "[...document.querySelectorAll('h2')].some((one) => one.textContent === 'Parameters')").await;
    look(&page, of, "operation").await;

    follow(&page, "Dead letters", "Dead letters").await;
    look(&page, of, "dead-letters").await;
    follow(&page, "the backend never answered", "Dead letters").await;
    until(&page, "document.querySelectorAll('.rows input').length === 2").await;
    page.evaluate("document.querySelector('.rows a').click()").await.expect("opened");
    until(&page, "document.querySelector('h1').textContent === 'the backend never answered'").await;
    look(&page, of, "dead-letter").await;
    follow(&page, "Replay", "Replay 1 dead letter?").await;
    look(&page, of, "confirm").await;
    follow(&page, "Replay 1", "Dead letters").await;
    until(&page, "document.querySelector('.notice')?.textContent === 'Replayed 1 dead letter.'").await;
    world.person(MARKO).hears(&["ZG 5678-CD"]).await;
    follow(&page, "Overview", "Overview").await;
    until(&page, "document.querySelector('[data-figure=dead_letters] .value').textContent === '2'").await;

    follow(&page, "Platforms", "Platforms").await;
    page.evaluate("document.querySelector('tbody summary').click()").await.expect("opened");
    until(&page, "document.querySelector('details[open] pre').textContent.includes('order_sent')").await;
    look(&page, of, "platforms").await;

    follow(&page, "Switches", "Switches").await;
    until(&page, "document.querySelectorAll('.switch').length === 4").await;
    look(&page, of, "switches").await;
    follow(&page, "Turn off", "AI: off?").await;
    look(&page, of, "switches-confirm").await;
    follow(&page, "Change it", "Switches").await;
    until(&page, "document.querySelector('.notice')?.textContent.startsWith('AI: off.')").await;
    look(&page, of, "switches-changed").await;
    follow(&page, "Back to the start value", "AI: back to the value of the start?").await;
    follow(&page, "Take the change back", "Switches").await;
    until(&page, "document.querySelector('.notice')?.textContent.startsWith('AI: on.')").await;

    follow(&page, "Audit", "Audit").await;
    let audit = text(&page).await;
    for deed in [
        "console.sign_in",
        "conversation.look",
        "catalogue.search",
        "dead_letter.look",
        "dead_letter.replay",
        "platforms.look",
        "switch.set",
        "switch.clear",
    ] {
        assert!(audit.contains(deed), "{deed} is not in {audit}");
    }
    look(&page, of, "audit").await;
    chromium.close().await;
}
