//! A real headless Chromium for journeys over pages.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use chromiumoxide::{Browser, BrowserConfig, Page};
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use crate::process::PATIENCE;

/// A running browser with a profile of its own.
pub struct Chromium {
    browser: Browser,
    handling: JoinHandle<()>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts it; `CHROME` names its binary.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let chrome = std::env::var_os("CHROME").filter(|path| !path.is_empty());
        let config = BrowserConfig::builder()
            .chrome_executable(chrome.map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from))
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
        let (browser, mut events) = Browser::launch(config).await.expect("Chromium starts; CHROME names its binary");
        let handling = tokio::spawn(async move { while events.next().await.is_some() {} });
        Self { browser, handling, _profile: profile }
    }

    /// A new page.
    pub async fn open(&self, url: String) -> Page {
        self.browser.new_page(url).await.expect("the page")
    }

    /// Ends it.
    pub async fn close(mut self) {
        self.browser.close().await.expect("closed");
        self.handling.abort();
    }
}

/// Waits until a JavaScript expression is true on the page, through reloads of it.
pub async fn until(page: &Page, expression: &str) {
    let begun = Instant::now();
    loop {
        let value = page.evaluate(format!("Boolean({expression})")).await;
        if value.is_ok_and(|value| value.into_value::<bool>().unwrap_or(false)) {
            return;
        }
        if begun.elapsed() > PATIENCE {
            panic!("never true on the page: {expression}\n{}", text(page).await);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the page says.
pub async fn text(page: &Page) -> String {
    let text = page.evaluate("document.body.innerText").await.ok().and_then(|value| value.into_value().ok());
    text.unwrap_or_default()
}

/// Types words into a field and sends them.
pub async fn write(page: &Page, field: &str, words: &str) {
    let field = page.find_element(field).await.expect("a field");
    field.click().await.expect("focus").type_str(words).await.expect("typed").press_key("Enter").await.expect("sent");
}
