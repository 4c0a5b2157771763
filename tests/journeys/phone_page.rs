//! The phone page of `make run`, in a real headless Chromium.

use std::{path::PathBuf, time::Duration};

use chromiumoxide::{Browser, BrowserConfig, Page};
use futures::StreamExt as _;

use crate::world::{DefaultStart, PATIENCE};

/// Waits until a JavaScript expression is true on the page.
async fn until(page: &Page, expression: &str) {
    let script = format!(
        "new Promise((done) => {{ const look = () => ({expression}) ? done(true) : setTimeout(look, 50); look(); }})"
    );
    let waited = tokio::time::timeout(PATIENCE, page.evaluate(script)).await;
    if !waited.is_ok_and(|outcome| outcome.is_ok()) {
        let text = page.evaluate("document.body.innerText").await.ok().and_then(|value| value.into_value().ok());
        panic!("never true on the page: {expression}\n{}", text.unwrap_or_else(String::new));
    }
}

async fn write(page: &Page, text: &str) {
    let field = page.find_element("#text").await.expect("a field");
    field.click().await.expect("focus").type_str(text).await.expect("typed").press_key("Enter").await.expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_books_on_the_page_and_sees_ticks_and_what_happened_inside() {
    let started = DefaultStart::new();
    let profile = tempfile::tempdir().expect("a folder");
    let chrome = std::env::var_os("CHROME")
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    let config = BrowserConfig::builder()
        .chrome_executable(chrome)
        .no_sandbox()
        .new_headless_mode()
        .user_data_dir(profile.path())
        .window_size(1280, 900)
        .viewport(None)
        .launch_timeout(Duration::from_secs(60))
        .args([
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
        ])
        .build()
        .expect("a browser's configuration");
    let (mut browser, mut events) = Browser::launch(config).await.expect("Chromium starts; CHROME names its binary");
    let handling = tokio::spawn(async move { while events.next().await.is_some() {} });
    let page = browser.new_page(format!("http://{}/phone", started.http)).await.expect("the page");
    until(&page, "document.querySelectorAll('#person option').length >= 2").await;

    write(&page, "Which vehicles are free tomorrow?").await;
    until(&page, "document.querySelector('#chat').innerText.includes('ZG 5678-CD')").await;
    until(&page, "document.querySelector('#chat .mine').dataset.tick === 'read'").await;
    until(&page, "document.querySelector('#inside .candidates li') !== null").await;

    write(&page, "book the red van tomorrow 9-12").await;
    until(&page, "[...document.querySelectorAll('.choices button')].some((one) => one.textContent.startsWith('Yes'))")
        .await;
    page.evaluate(
        "[...document.querySelectorAll('.choices button')].find((one) => one.textContent.startsWith('Yes')).click()",
    )
    .await
    .expect("tapped");
    until(&page, "document.querySelector('#chat').innerText.includes('4711')").await;
    until(&page, "document.querySelector('#inside').innerText.includes('POST')").await;
    if let Some(path) = std::env::var_os("PHONE_PICTURE") {
        let format = chromiumoxide::page::ScreenshotParams::builder().build();
        page.save_screenshot(format, path).await.expect("a picture");
    }
    browser.close().await.expect("closed");
    handling.abort();
}
