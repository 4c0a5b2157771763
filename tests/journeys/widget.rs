//! The chat widget on a page of another site, in a real headless Chromium, by keyboard alone.

use std::net::SocketAddr;

use chromiumoxide::{
    Page,
    cdp::browser_protocol::network::{self, ConnectionType},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    browser::{Chromium, until},
    default_start::DefaultStart,
};

/// The widget's inside, for expressions on the page.
const ROOT: &str = "document.querySelector('#dragoman-chat').shadowRoot";

/// Serves one page that shows the widget of `gateway` and allows nothing else, until the test ends.
async fn foreign_site(listener: TcpListener, gateway: SocketAddr) {
    let policy = format!("default-src 'none'; script-src http://{gateway}; connect-src http://{gateway}");
    let page = format!(
        "<!doctype html><html lang=\"en\"><title>Shop</title><body><h1>Shop</h1>\
         <script src=\"http://{gateway}/widget.js\" data-title=\"Help desk\" defer></script></body></html>"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-security-policy: {policy}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

async fn press(page: &Page, key: &str) {
    page.find_element("body").await.expect("a body").press_key(key).await.expect("pressed");
}

async fn say(page: &Page, words: &str) {
    page.find_element("body").await.expect("a body").type_str(words).await.expect("typed");
    press(page, "Enter").await;
}

/// Goes on with the Tab key until an element of the widget has the focus.
async fn tab_to(page: &Page, selector: &str) {
    let there = format!("{ROOT}.activeElement?.matches({selector:?}) ?? false");
    for _ in 0..80 {
        if page.evaluate(there.as_str()).await.is_ok_and(|value| value.into_value::<bool>().unwrap_or(false)) {
            return;
        }
        press(page, "Tab").await;
    }
    panic!("the Tab key does not lead to {selector}");
}

#[expect(deprecated, reason = "its successors are younger than the Chromium of distributions")]
async fn is_online(page: &Page, online: bool) {
    let conditions = network::EmulateNetworkConditionsParams::builder()
        .offline(!online)
        .latency(0.0)
        .download_throughput(-1.0)
        .upload_throughput(-1.0)
        .connection_type(if online { ConnectionType::Ethernet } else { ConnectionType::None })
        .build()
        .expect("conditions");
    page.execute(conditions).await.expect("the network's state");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_talks_on_a_page_of_another_site_by_keyboard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // `localhost` and `127.0.0.1` are two sites: no cookie of one goes to the other.
    let site = format!("http://localhost:{port}");
    let started = DefaultStart::with(&[], &[("DASHBOARD_ALLOWED_ORIGINS", &site)]);
    let serving = tokio::spawn(foreign_site(listener, started.http));
    let chromium = Chromium::start().await;
    let page = chromium.open("about:blank".to_owned()).await;
    let watch = "window.violations = []; addEventListener('securitypolicyviolation', (e) => \
                 violations.push(e.violatedDirective + ' ' + e.blockedURI))";
    page.evaluate_on_new_document(watch).await.expect("watched");
    page.goto(site.as_str()).await.expect("the page");
    until(&page, "document.querySelector('#dragoman-chat')").await;

    tab_to(&page, ".launcher").await;
    press(&page, "Enter").await;
    until(&page, &format!("{ROOT}.activeElement?.matches('textarea')")).await;
    say(&page, "Which vehicles are free tomorrow?").await;
    until(&page, &format!("{ROOT}.querySelector('.log').textContent.includes('ZG 5678-CD')")).await;
    assert_eq!(count(&page, ".message.mine").await, 1);

    say(&page, "<img src=x onerror=alert(1)> hello").await;
    until(&page, &format!("{ROOT}.querySelector('.choice:not(:disabled)')")).await;
    assert_eq!(count(&page, "img").await, 0, "what is said is text");
    tab_to(&page, ".choice:not(:disabled)").await;
    press(&page, "Enter").await;
    until(&page, &format!("{ROOT}.querySelectorAll('.message.mine').length === 3")).await;
    until(&page, &format!("{ROOT}.querySelector('.log > .message:last-child:not(.mine)')")).await;
    until(&page, &format!("{ROOT}.activeElement?.matches('textarea')")).await;

    // The dialog of the system that chooses a file belongs to no page; what it gives is put there.
    let chosen = format!(
        "{{ const files = new DataTransfer(); const bytes = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]); \
           files.items.add(new File([bytes], 'mirror.png', {{ type: 'image/png' }})); \
           const picker = {ROOT}.querySelector('input[type=file]'); picker.files = files.files; \
           picker.dispatchEvent(new Event('change')); true }}"
    );
    page.evaluate(chosen).await.expect("chosen");
    until(&page, &format!("{ROOT}.querySelector('.files button')")).await;
    until(&page, &format!("{ROOT}.activeElement?.matches('textarea')")).await;
    say(&page, "what is on this picture?").await;
    until(&page, &format!("{ROOT}.querySelectorAll('.message.mine').length === 4")).await;
    until(&page, &format!("{ROOT}.querySelector('.log > .message:last-child:not(.mine)')")).await;
    assert_eq!(count(&page, ".files li").await, 0);

    tab_to(&page, ".feedback .up").await;
    press(&page, "Enter").await;
    until(&page, &format!("{ROOT}.querySelector('.up[aria-pressed=true]')")).await;
    tab_to(&page, ".comment input").await;
    say(&page, "quick").await;
    until(&page, &format!("!{ROOT}.querySelector('.comment')")).await;

    // A lost connection: the message goes through once it is back, and is answered once.
    tab_to(&page, "textarea").await;
    is_online(&page, false).await;
    say(&page, "Which vehicles are free today?").await;
    until(&page, &format!("{ROOT}.querySelector('.status').textContent.includes('lost')")).await;
    until(&page, &format!("{ROOT}.querySelectorAll('.message.mine').length === 5")).await;
    let before = count(&page, ".log > .message:not(.mine)").await;
    is_online(&page, true).await;
    until(&page, &format!("{ROOT}.querySelector('.log > .message:last-child:not(.mine)')")).await;
    assert_eq!(count(&page, ".log > .message:not(.mine)").await, before + 1);

    press(&page, "Escape").await;
    until(&page, &format!("{ROOT}.querySelector('.panel').hidden && {ROOT}.activeElement.matches('.launcher')")).await;
    assert_eq!(page.evaluate("violations").await.expect("a list").into_value::<Vec<String>>().expect("text").len(), 0);

    // Opened again, it shows what was said, and the thumb.
    page.reload().await.expect("reloaded");
    until(&page, "document.querySelector('#dragoman-chat')").await;
    tab_to(&page, ".launcher").await;
    press(&page, "Enter").await;
    until(&page, &format!("{ROOT}.querySelectorAll('.message.mine').length === 5")).await;
    until(&page, &format!("{ROOT}.querySelector('.up[aria-pressed=true]')")).await;
    if let Some(path) = std::env::var_os("WIDGET_PICTURE") {
        let format = chromiumoxide::page::ScreenshotParams::builder().build();
        page.save_screenshot(format, path).await.expect("a picture");
    }
    chromium.close().await;
    serving.abort();
}

async fn count(page: &Page, selector: &str) -> usize {
    let value = page.evaluate(format!("{ROOT}.querySelectorAll({selector:?}).length")).await;
    value.expect("a number").into_value().expect("a number")
}
