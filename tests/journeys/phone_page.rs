//! The phone page of `make run`, in a real headless Chromium.

use crate::{
    browser::{Chromium, until, write},
    default_start::DefaultStart,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_books_on_the_page_and_sees_ticks_and_what_happened_inside() {
    let started = DefaultStart::new();
    let chromium = Chromium::start().await;
    let page = chromium.open(format!("http://{}/phone", started.http)).await;
    until(&page, "document.querySelectorAll('#person option').length >= 2").await;

    write(&page, "#text", "Which vehicles are free tomorrow?").await;
    until(&page, "document.querySelector('#chat').innerText.includes('ZG 5678-CD')").await;
    until(&page, "document.querySelector('#chat .mine').dataset.tick === 'read'").await;
    until(&page, "document.querySelector('#inside .candidates li') !== null").await;

    write(&page, "#text", "book the red van tomorrow 9-12").await;
    until(&page, "[...document.querySelectorAll('.choices button')].some((one) => one.textContent.startsWith('Yes'))")
        .await;
    // The marks of the platform are shown as it shows them.
    until(&page, "[...document.querySelectorAll('#chat .theirs b')].some((one) => one.textContent === 'Vehicle')")
        .await;
    until(&page, "!document.querySelector('#chat').innerText.includes('*')").await;
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
    chromium.close().await;
}
