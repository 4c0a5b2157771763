//! Photos that people send.

use chromiumoxide::Page;
use simulator::fleet::ANA;

use crate::{
    browser::{Chromium, text, until, write},
    database::count,
    world::{World, journeys},
};

journeys! {
    a_photo_reaches_the_backend_byte_by_byte_and_once,
    a_photo_outlives_the_worker_and_the_platform,
    a_photo_that_cannot_be_had_is_told_and_the_report_goes_on,
    an_operator_sees_the_photo_that_a_person_sent,
}

/// A JPEG as far as its first bytes go, and bytes that no text may hold.
fn jpeg(bytes: usize) -> Vec<u8> {
    let mut content = vec![0xff, 0xd8, 0xff, 0xe0];
    content.extend((0..=255).cycle().take(bytes - 4));
    content
}

async fn a_photo_reaches_the_backend_byte_by_byte_and_once(world: World) {
    let mut ana = world.person(ANA);
    let photo = jpeg(240_000);
    ana.sends("image", "image/png", &photo, "I want to report damage of the caddy").await;
    ana.hears(&["Photo: 1, 240 kB", "What happened?"]).await;
    ana.says("mirror broken").await;
    ana.hears(&["[Drivable]"]).await;
    ana.taps("Drivable");
    ana.hears(&["• *Photo*: 1, 240 kB", "mirror broken", "ZG 5678-CD"]).await;
    assert!(world.effects().is_empty(), "nothing runs before the yes");
    ana.taps("Yes");
    ana.hears(&["mirror broken"]).await;
    world.quiet().await;
    let effects = world.effects();
    assert_eq!(effects.len(), 1, "{:?}", effects.iter().map(|call| &call.operation).collect::<Vec<_>>());
    assert_eq!(effects[0].operation, "POST /vehicles/{vehicle_id}/damage-reports");
    assert!(effects[0].idempotency_key.is_some());
    let [file] = effects[0].files.as_slice() else { panic!("one file: {}", effects[0].files.len()) };
    assert!(file.content == photo, "{} of {} bytes came", file.content.len(), photo.len());
    // The platform called it a PNG; its bytes say otherwise.
    assert_eq!((file.field.as_str(), file.media_type.as_str()), ("photo", "image/jpeg"));
    assert_eq!(world.platform.infobip.media_reads(), 1);
}

async fn a_photo_outlives_the_worker_and_the_platform(mut world: World) {
    let photo = jpeg(50_000);
    let mut ana = world.person(ANA);
    ana.says("report damage").await;
    ana.hears(&["Which vehicle"]).await;
    ana.sends("image", "image/jpeg", &photo, "the caddy").await;
    ana.hears(&["Photo: 1, 50 kB", "What happened?"]).await;
    ana.says("mirror broken").await;
    ana.hears(&["[Drivable]"]).await;
    world.quiet().await;
    let worker = world.worker();
    world.process(worker).kill();
    world.platform.infobip.drop_media();
    world.restart(worker);
    let mut ana = world.person(ANA);
    ana.taps("Drivable");
    ana.hears(&["• *Photo*: 1, 50 kB", "mirror broken"]).await;
    ana.taps("Yes");
    ana.hears(&["Reported"]).await;
    let effects = world.effects();
    assert_eq!(effects.len(), 1);
    assert!(effects[0].files[0].content == photo);
    assert_eq!(world.platform.infobip.media_reads(), 1);
}

async fn a_photo_that_cannot_be_had_is_told_and_the_report_goes_on(world: World) {
    let mut ana = world.person(ANA);
    ana.says("report damage of the caddy").await;
    ana.hears(&["What happened?", "You can add a photo."]).await;
    // More than the database takes, and than a backend is sent.
    ana.sends("image", "image/jpeg", &jpeg(20 * 1024 * 1024), "").await;
    ana.hears(&["too large", " MB", "What happened?"]).await;
    ana.sends("document", "image/jpeg", b"%PDF-1.7 and so on", "").await;
    ana.hears(&["JPEG, PNG, WEBP", "What happened?"]).await;
    world.platform.infobip.faults().next(
        "GET /whatsapp/1/senders/{sender}/media/{mediaId}",
        simulator::faults::Fault::Status { status: 404, retry_after: None },
    );
    ana.sends("image", "image/jpeg", &jpeg(1_000), "").await;
    ana.hears(&["could not get the picture", "What happened?"]).await;
    ana.says("mirror broken").await;
    ana.hears(&["[Drivable]"]).await;
    ana.taps("Drivable");
    ana.hears(&["mirror broken"]).await;
    ana.taps("Yes");
    ana.hears(&["Reported"]).await;
    let effects = world.effects();
    assert_eq!((effects.len(), effects[0].files.len()), (1, 0));
}

/// A real PNG, of one pixel.
const PIXEL: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\
      \x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x0dIDATx\xdac\xfc\xcf\xc0P\
      \x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82";

/// Clicks on what a selector finds, once it is there.
async fn click(page: &Page, selector: &str) {
    until(page, &format!("document.readyState === 'complete' && document.querySelector({selector:?})")).await;
    page.evaluate(format!("document.querySelector({selector:?}).click()")).await.expect("clicked");
}

async fn an_operator_sees_the_photo_that_a_person_sent(world: World) {
    let mut ana = world.person(ANA);
    ana.sends("image", "image/png", PIXEL, "I want to report damage of the caddy").await;
    ana.hears(&["Photo: 1", "What happened?"]).await;
    world.quiet().await;

    let chromium = Chromium::start().await;
    let page = chromium.open(format!("http://{}/", world.console)).await;
    until(&page, "document.querySelector('#token')").await;
    write(&page, "#token", &world.console_token()).await;
    until(&page, "document.querySelector('#live')?.dataset.mode === 'live'").await;
    click(&page, "nav a[href$='/conversations']").await;
    click(&page, "tbody a").await;
    until(&page, "document.querySelector('h1').textContent.startsWith('Conversation with')").await;
    let file = "a[href*='/files/']";
    assert!(text(&page).await.contains("Fetched a file"), "{}", text(&page).await);
    until(&page, &format!("!document.querySelector({file:?})")).await;
    page.evaluate("document.querySelector('details.reveal').open = true").await.expect("open");
    write(&page, "#why", "the photo").await;
    until(&page, &format!("document.querySelector({file:?})")).await;
    assert_eq!(opened(&world).await, 0);

    // What a click opens in a tab of its own, opened here.
    page.evaluate(format!("location.assign(document.querySelector({file:?}).href)")).await.expect("followed");
    until(&page, "document.images.length === 1 && document.images[0].naturalWidth === 1").await;
    let shown: String = page.evaluate("location.pathname").await.expect("a place").into_value().expect("a text");
    assert!(shown.ends_with("/content"), "{shown}");
    assert_eq!(opened(&world).await, 1);
    chromium.close().await;
}

/// Openings of files that are written down.
async fn opened(world: &World) -> i64 {
    count(&world.database, "select count(*) from audit_logs where action = 'file.open'").await
}
