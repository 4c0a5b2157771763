//! Every platform on the phone page of `make run`, in a real headless Chromium: what people send is answered, what is
//! answered is shown, and nothing is lost.

use std::time::{Duration, Instant};

use chromiumoxide::Page;
use serde_json::Value;

use crate::{
    browser::{Chromium, until, write},
    default_start::DefaultStart,
    process::PATIENCE,
};

/// A phone on the page, and the person who holds it.
struct Phone {
    page: Page,
    platform: &'static str,
    base: String,
}

impl Phone {
    async fn open(chromium: &Chromium, started: &DefaultStart, platform: &'static str) -> Self {
        let base = format!("http://{}", started.http);
        let page = chromium.open(format!("{base}/phone")).await;
        until(&page, "document.querySelectorAll('#platform option').length === 3").await;
        let phone = Self { page, platform, base };
        let choose = format!(
            "{{ const list = document.querySelector('#platform'); list.value = '{platform}'; \
             list.dispatchEvent(new Event('change', {{ bubbles: true }})); }}"
        );
        phone.run(&choose).await;
        phone.sees(&format!("document.body.dataset.platform === '{platform}'")).await;
        phone.sees("document.querySelector('#state').textContent === 'online'").await;
        phone
    }

    async fn run(&self, script: &str) {
        self.page.evaluate(script).await.expect("the page's script runs");
    }

    async fn sees(&self, expression: &str) {
        until(&self.page, expression).await;
    }

    async fn number(&self, expression: &str) -> u64 {
        let value = self.page.evaluate(expression).await.expect("the page answers");
        value.into_value().expect("a number")
    }

    /// Messages of the assistant that are shown.
    async fn answers(&self) -> u64 {
        self.number("document.querySelectorAll('#chat .theirs:not(.typing)').length").await
    }

    /// Does something, and waits until the assistant has answered it and the platform has handed it over.
    async fn answered(&self, doing: impl AsyncFnOnce(&Self)) {
        let before = self.answers().await;
        doing(self).await;
        self.sees(&format!("document.querySelectorAll('#chat .theirs:not(.typing)').length > {before}")).await;
        self.sees(
            "[...document.querySelectorAll('#chat .mine')].every((one) => ['delivered', 'read'].includes(one.dataset.tick))",
        )
        .await;
    }

    async fn says(&self, words: &str) {
        self.answered(async |phone: &Self| write(&phone.page, "#text", words).await).await;
    }

    /// Waits until the last answer has these words.
    async fn hears(&self, words: &str) {
        self.sees(&format!(
            "[...document.querySelectorAll('#chat .theirs:not(.typing)')].at(-1)?.innerText.includes({words:?})"
        ))
        .await;
    }

    /// Sends something that is not words, by the keyboard alone.
    async fn sends(&self, what: &str) {
        self.answered(async |phone: &Self| phone.attaches(what).await).await;
    }

    async fn attaches(&self, what: &str) {
        let attach = self.page.find_element("#attach").await.expect("the button");
        attach.focus().await.expect("focus").press_key("Enter").await.expect("pressed");
        self.sees("!document.querySelector('#attachments').hidden").await;
        let entry = self.page.find_element(format!("[data-send={what}]")).await.expect("the entry");
        entry.focus().await.expect("focus").press_key("Enter").await.expect("pressed");
    }

    /// Taps the newest button with these words.
    async fn taps(&self, title: &str) {
        let button = format!(
            "[...document.querySelectorAll('.choices button')].findLast((one) => one.textContent.includes({title:?}))"
        );
        self.sees(&button).await;
        self.answered(async |phone: &Self| phone.run(&format!("{button}.click()")).await).await;
    }

    /// Chooses the row with these words of the newest list. Telegram has no lists: its rows are buttons.
    async fn chooses(&self, title: &str) {
        if self.platform == "telegram" {
            return self.taps(title).await;
        }
        self.sees("document.querySelector('#chat li:last-of-type .open') !== null").await;
        self.run("[...document.querySelectorAll('.open')].at(-1).click()").await;
        let row =
            format!("[...document.querySelectorAll('#rows button')].find((one) => one.innerText.includes({title:?}))");
        self.sees(&format!("document.querySelector('#sheet').open && {row}")).await;
        self.answered(async |phone: &Self| phone.run(&format!("{row}.click()")).await).await;
        self.sees("!document.querySelector('#sheet').open").await;
    }

    /// Opens the menu of the newest own message with these words and chooses an entry.
    async fn chooses_of_own(&self, words: &str, entry: &str) {
        let own = format!(
            "[...document.querySelectorAll('#chat .mine')].findLast((one) => one.querySelector('.words')?.innerText === {words:?})"
        );
        self.sees(&own).await;
        self.run(&format!(
            "{{ const menu = {own}.querySelector('.menu'); menu.open = true; \
             [...menu.querySelectorAll('button')].find((one) => one.textContent === {entry:?}).click(); }}"
        ))
        .await;
    }

    /// The platform's own record: every webhook was taken.
    async fn nothing_was_lost(&self) {
        if self.platform == "telegram" {
            return; // the bot polls; ticks have shown that it took each update
        }
        service_kit::install_crypto();
        let client = reqwest::Client::new();
        let begun = Instant::now();
        loop {
            let asked = client.get(format!("{}/simulator/webhooks", self.base)).send().await.expect("an answer");
            let told: Value = asked.json().await.expect("JSON");
            let webhooks = told[self.platform].as_array().expect("webhooks");
            assert!(!webhooks.is_empty());
            if webhooks.iter().all(|webhook| webhook["taken"] == true) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{webhooks:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The person is told how to come back.
    async fn stop_is_heard(&self) {
        self.says("STOP").await;
        self.hears("START").await;
    }
}

async fn a_day_on(platform: &'static str) {
    let started = DefaultStart::new();
    let chromium = Chromium::start().await;
    let phone = Phone::open(&chromium, &started, platform).await;

    phone.says("Which vehicles are free tomorrow?").await;
    phone.hears("ZG 5678-CD").await;
    if platform == "telegram" {
        // The backend knows people by their number.
        phone.sends("contact").await;
    } else {
        // The assistant marks what it has read.
        phone.sees("document.querySelector('#chat .mine').dataset.tick === 'read'").await;
    }

    // A list, then a button.
    phone.says("book a vehicle tomorrow 9-12").await;
    phone.chooses("ZG 1234-AB").await;
    phone.taps("Yes").await;
    phone.sees("document.querySelector('#chat').innerText.includes('4711')").await;
    if platform == "telegram" {
        // The keyboard of the question went with its answer.
        phone
            .sees("![...document.querySelectorAll('.choices button')].some((one) => one.textContent.includes('Yes'))")
            .await;
    }

    phone.sends("voice").await;
    phone.sees("document.querySelector('#chat .mine audio')?.readyState >= 1").await;
    phone.sends("image").await;
    phone.sees("document.querySelector('#chat .mine img')?.naturalWidth === 160").await;
    phone.sends("location").await;
    phone.sees("document.querySelector('#chat .mine[data-what=location]').innerText.includes('45.8062')").await;

    if platform == "infobip" {
        // Its webhooks know no edits: people have none there.
        phone.sees("document.querySelector('#chat .mine .menu') && ![...document.querySelectorAll('.menu button')].some((one) => one.textContent === 'Edit')").await;
    } else {
        phone.says("which vehicles are free today?").await;
        phone.chooses_of_own("which vehicles are free today?", "Edit").await;
        phone.sees("document.querySelector('#about-words').textContent.startsWith('Editing')").await;
        phone
            .answered(async |phone: &Phone| {
                phone.run("{ document.querySelector('#text').value = ''; }").await;
                write(&phone.page, "#text", "help").await;
            })
            .await;
        phone.sees("document.querySelector('#chat .mine .edited') !== null").await;
        phone.hears("a person").await;
    }

    phone.stop_is_heard().await;
    phone.nothing_was_lost().await;
    if let Some(folder) = std::env::var_os("PHONE_PICTURES") {
        let format = chromiumoxide::page::ScreenshotParams::builder().build();
        let path = std::path::Path::new(&folder).join(format!("{platform}.png"));
        phone.page.save_screenshot(format, path).await.expect("a picture");
    }
    chromium.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_person_sends_through_infobip_is_answered_on_the_page() {
    a_day_on("infobip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_person_sends_through_meta_is_answered_on_the_page() {
    a_day_on("meta").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_person_sends_on_telegram_is_answered_on_the_page() {
    a_day_on("telegram").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_words_after_a_restart_are_answered_on_every_platform() {
    let mut started = DefaultStart::new();
    let chromium = Chromium::start().await;
    for again in [false, true] {
        if again {
            started = started.again();
        }
        for platform in ["infobip", "meta", "telegram"] {
            let phone = Phone::open(&chromium, &started, platform).await;
            phone.says("help").await;
            phone.hears("I can help with").await;
        }
    }
    chromium.close().await;
}
