//! As much of a browser as the console's tests need: cookies, forms, no redirects of its own.

use std::{collections::BTreeMap, net::SocketAddr, sync::Mutex};

use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect};

pub struct Browser {
    client: Client,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// An answer, read.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> String {
        let (_, rest) = self.text.split_once(&format!(r#"name="{name}" value=""#)).unwrap_or_else(|| {
            panic!("no field {name} in {}", self.text);
        });
        rest.split_once('"').expect("an end").0.to_owned()
    }
}

impl Browser {
    pub fn new(http: SocketAddr) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Self { client, base: format!("http://{http}"), cookies: Mutex::default() }
    }

    /// One that has signed in.
    pub async fn signed_in(http: SocketAddr, token: &str) -> Self {
        let browser = Self::new(http);
        let page = browser.sign_in(token).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/console"), "{}", page.text);
        browser
    }

    pub async fn sign_in(&self, token: &str) -> Page {
        let page = self.get("/console/sign-in").await;
        self.post("/console/sign-in", &[("csrf", &page.field("csrf")), ("token", token)]).await
    }

    pub async fn get(&self, path: &str) -> Page {
        self.read(self.request(self.client.get(format!("{}{path}", self.base)))).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Page {
        let mut request = self.request(self.client.get(format!("{}{path}", self.base)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.read(request).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_with(path, fields, &[]).await
    }

    pub async fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut request = self.request(self.client.post(format!("{}{path}", self.base)).form(fields));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.read(request).await
    }

    /// Opens a page, and posts its form with more fields.
    pub async fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.get(page).await.field("csrf");
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        self.post(action, &all).await
    }

    /// An answer whose body is still coming.
    pub async fn open(&self, path: &str) -> Response {
        self.request(self.client.get(format!("{}{path}", self.base))).send().await.expect("an answer")
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("cookies").get(name).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().expect("cookies").insert(name.to_owned(), value.to_owned());
    }

    fn request(&self, request: RequestBuilder) -> RequestBuilder {
        let cookies = self.cookies.lock().expect("cookies");
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { request } else { request.header(header::COOKIE, pairs.join("; ")) }
    }

    async fn read(&self, request: RequestBuilder) -> Page {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        for cookie in headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().expect("text");
            let (name, rest) = text.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            let mut cookies = self.cookies.lock().expect("cookies");
            match text.contains("Max-Age=0") {
                true => cookies.remove(name),
                false => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        Page { status, headers, text: answer.text().await.expect("a body") }
    }
}
