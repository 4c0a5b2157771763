//! The pages of a list, followed by link, address or token until a limit.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::{
    Backend, CallError, Prepared, Response, ResponseBody, answer::Rest, auth, parameters::next_link,
    request::MAX_URL_BYTES, style::Escape,
};
use crate::{
    guard,
    model::{File, Location, Operation, Risk},
    refs::percent_decode,
    schema::scalar_text,
};

/// Longest time for all pages: a person who waits for an answer has gone by then.
const MAX_TIME: Duration = Duration::from_secs(60);
/// Longest token sent back; some are encrypted positions of a kilobyte or two.
const MAX_TOKEN_BYTES: usize = 4_000;
/// Depth to which a body is searched for the next page: `{"meta": {"paging": {"next": ...}}}`.
const MAX_DEPTH: usize = 2;

/// How far pages are followed. The first limit that is reached ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Requests.
    pub pages: usize,
    /// Rows of all pages together.
    pub rows: usize,
    /// Bytes of all pages together.
    pub size_bytes: usize,
}

impl Default for PageLimits {
    /// A person reads few rows and waits few seconds: ten requests, a thousand rows, 4 MiB.
    fn default() -> Self {
        Self { pages: 10, rows: 1_000, size_bytes: 4 * 1024 * 1024 }
    }
}

/// An answer with the rows of its pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Pages {
    /// The first answer, with the rows of all pages in its list.
    pub response: Response,
    /// JSON pointer to that list; `None` when the answer holds none.
    pub list_pointer: Option<String>,
    /// Pages whose rows these are.
    pub pages: usize,
    /// Rows in the list.
    pub rows: usize,
    /// Why there are no more.
    pub end: PagesEnd,
    /// The file that the first answer is, if it is one.
    pub file: Option<File>,
}

/// Why no further page was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PagesEnd {
    /// The backend names no further page.
    Complete,
    /// There are more; a limit of [`PageLimits`] was reached.
    Limit,
    /// There are more; the time is over.
    Time,
    /// There are more; the next page could not be read or may not be called. The rows are those before it.
    Broken(String),
}

impl Backend {
    /// Sends a request whose operation only reads, then the requests for the pages that follow.
    ///
    /// The next page is the one that `Link: <...>; rel="next"` names, or an address or token in the body under one of
    /// the usual names (`next`, `nextLink`, `next_cursor`, `nextPageToken` ...); a token goes into the query parameter
    /// that the operation declares for it. Only the origin of the first request is called, by the guard's rules.
    /// All of it takes no longer than `deadline` (at most a minute), each page no longer than the configured timeout.
    ///
    /// # Errors
    /// [`CallError`] of the first page; `NotSent` also when the operation is not a `GET` that only reads. Failures of
    /// later pages are told in [`Pages::end`].
    pub async fn send_pages(
        &self,
        operation: &Operation,
        prepared: Prepared,
        limits: &PageLimits,
        deadline: Duration,
    ) -> Result<Pages, CallError> {
        if operation.risk != Risk::Safe || prepared.method != Method::GET {
            return Err(CallError::NotSent("pages are followed for reading operations only".to_owned()));
        }
        let deadline = deadline.min(MAX_TIME);
        let ends = Instant::now() + deadline;
        let (response, mut rest) = self.exchange(&prepared, None, deadline).await?;
        let list_pointer = list_pointer(operation, &response);
        let file = rest.file.take();
        let mut out = Pages { response, list_pointer, pages: 1, rows: 0, end: PagesEnd::Complete, file };
        let mut rows = match out.list_mut() {
            Some(list) => std::mem::take(list),
            None => return Ok(out),
        };
        let mut next = match &out.response.body {
            ResponseBody::Json(body) => next_page(operation, &prepared, &prepared.url, &rest, body),
            _ => None,
        };
        let mut size_bytes = rest.size_bytes;
        let mut seen = BTreeSet::from([prepared.url.clone()]);
        out.end = loop {
            let url = match next {
                None => break PagesEnd::Complete,
                Some(Err(reason)) => break PagesEnd::Broken(reason),
                Some(Ok(url)) => url,
            };
            if let Err(refused) = guard::check_url(&url, self.config.allow_private_hosts) {
                break PagesEnd::Broken(format!("the next page can't be called: {refused}"));
            }
            if out.pages >= limits.pages || rows.len() >= limits.rows || size_bytes >= limits.size_bytes {
                break PagesEnd::Limit;
            }
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break PagesEnd::Time;
            }
            if !seen.insert(url.clone()) {
                break PagesEnd::Broken("the pages go round in a circle".to_owned());
            }
            let page = Prepared { url: url.clone(), ..prepared.clone() };
            let answer = match self.exchange(&page, None, left).await {
                Ok(answer) => answer,
                Err(_) if Instant::now() >= ends => break PagesEnd::Time,
                Err(error) => break PagesEnd::Broken(error.to_string()),
            };
            rest = answer.1;
            size_bytes += rest.size_bytes;
            let Response { status: 200..300, body: ResponseBody::Json(mut body), .. } = answer.0 else {
                break PagesEnd::Broken(format!("the next page was answered with status {}", answer.0.status));
            };
            let pointer = out.list_pointer.as_deref().unwrap_or_default();
            let Some(Value::Array(more)) = body.pointer_mut(pointer) else {
                break PagesEnd::Broken("the next page has no list".to_owned());
            };
            rows.append(more);
            out.pages += 1;
            next = next_page(operation, &prepared, &url, &rest, &body);
        };
        if rows.len() > limits.rows {
            rows.truncate(limits.rows);
            out.end = PagesEnd::Limit;
        }
        out.rows = rows.len();
        if let Some(list) = out.list_mut() {
            *list = rows;
        }
        Ok(out)
    }
}

impl Pages {
    fn list_mut(&mut self) -> Option<&mut Vec<Value>> {
        let ResponseBody::Json(body) = &mut self.response.body else { return None };
        body.pointer_mut(self.list_pointer.as_deref()?)?.as_array_mut()
    }
}

/// Where the rows of a good answer are: as the document says, the answer itself, or its only list.
fn list_pointer(operation: &Operation, response: &Response) -> Option<String> {
    let Response { status: 200..300, body: ResponseBody::Json(body), .. } = response else { return None };
    let declared = operation.response.as_ref().and_then(|outline| outline.list_pointer.as_deref());
    if let Some(pointer) = declared.filter(|pointer| body.pointer(pointer).is_some_and(Value::is_array)) {
        return Some(pointer.to_owned());
    }
    if body.is_array() {
        return Some(String::new());
    }
    let mut lists = body.as_object()?.iter().filter(|(_, member)| member.is_array());
    let (name, _) = lists.next().filter(|_| lists.next().is_none())?;
    Some(format!("/{}", name.replace('~', "~0").replace('/', "~1")))
}

/// Where the next page is; `Err` is a reason not to go there.
fn next_page(
    operation: &Operation,
    prepared: &Prepared,
    current: &Url,
    rest: &Rest,
    body: &Value,
) -> Option<Result<Url, String>> {
    if let Some(target) = rest.links.iter().find_map(|text| next_link(text)) {
        return Some(address(prepared, current, &target));
    }
    match find_next(operation, body.as_object()?, 0)? {
        Next::Address(target) => Some(address(prepared, current, &target)),
        Next::Token { parameter, token } if token.len() <= MAX_TOKEN_BYTES => {
            let url = with_parameter(current, &parameter, Some(&token));
            Some(if url.as_str().len() > MAX_URL_BYTES { Err("its address is too long".to_owned()) } else { Ok(url) })
        }
        Next::Token { .. } => Some(Err("its token is too long".to_owned())),
    }
}

/// An address within the first request's origin, without the API key that the backend may have repeated in it.
fn address(prepared: &Prepared, current: &Url, target: &str) -> Result<Url, String> {
    if target.len() > MAX_URL_BYTES {
        return Err("the address of the next page is too long".to_owned());
    }
    let mut url = current.join(target).map_err(|_| "the address of the next page is not valid".to_owned())?;
    url.set_fragment(None);
    // Behind a proxy that ends TLS, backends believe that they are called by plain HTTP.
    if url.scheme() == "http" && current.scheme() == "https" && url.host() == current.host() && url.port().is_none() {
        // The schemes are both special, so this can't fail; if it did, the origins would differ.
        let _ = url.set_scheme("https");
        let _ = url.set_port(current.port());
    }
    if url.origin() != prepared.url.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err("the next page is on another host".to_owned());
    }
    for name in auth::query_keys(&prepared.credentials) {
        url = with_parameter(&url, name, None);
    }
    Ok(url)
}

/// The URL with this query parameter set to `value`, or without it.
fn with_parameter(url: &Url, name: &str, value: Option<&str>) -> Url {
    let is_it = |pair: &&str| percent_decode(&pair.split('=').next().unwrap_or_default().replace('+', " ")) == name;
    let own = url.query().unwrap_or_default();
    let mut pairs: Vec<String> =
        own.split('&').filter(|pair| !pair.is_empty() && !is_it(pair)).map(str::to_owned).collect();
    if let Some(value) = value {
        pairs.push(format!("{}={}", Escape::All.text(name), Escape::All.text(value)));
    }
    let mut url = url.clone();
    url.set_query(Some(pairs.join("&").as_str()).filter(|query| !query.is_empty()));
    url
}

enum Next {
    Address(String),
    Token { parameter: String, token: String },
}

/// Names (lower-case letters and digits alone) under which backends put the address of the next page.
const ADDRESSES: [&str; 11] = [
    "next",
    "nextlink",
    "odatanextlink",
    "nexturl",
    "nexturi",
    "nexthref",
    "nextpage",
    "nextpageurl",
    "nextpageuri",
    "nextpagelink",
    "nextpagehref",
];
/// Names of tokens, and of the query parameters that take them, best first.
const TOKENS: [(&str, &[&str]); 9] = [
    ("nextpagetoken", &["pagetoken", "nextpagetoken", "token"]),
    ("nextcursor", &["cursor", "nextcursor", "pagecursor", "after"]),
    ("nexttoken", &["nexttoken", "paginationtoken", "token"]),
    ("paginationtoken", &["paginationtoken", "nexttoken"]),
    ("nextcontinuationtoken", &["continuationtoken", "nextcontinuationtoken"]),
    ("continuationtoken", &["continuationtoken", "continuation"]),
    ("nextpage", &["page", "pagenumber", "pageno", "pagetoken", "cursor"]),
    ("next", &["cursor", "next", "pagetoken", "after", "page", "pagenumber"]),
    ("cursor", &["cursor"]),
];
/// Names of objects in which the next page is looked for.
const HOLDERS: [&str; 12] = [
    "links",
    "link",
    "paging",
    "pagination",
    "paginationinfo",
    "meta",
    "metadata",
    "responsemetadata",
    "page",
    "pageinfo",
    "cursors",
    "cursor",
];

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn find_next(operation: &Operation, body: &Map<String, Value>, depth: usize) -> Option<Next> {
    let members: Vec<(String, &Value)> = body.iter().map(|(name, value)| (plain(name), value)).collect();
    let is_last = members
        .iter()
        .any(|(name, value)| matches!(name.as_str(), "hasmore" | "hasnext" | "hasnextpage") && **value == false);
    if is_last {
        return None;
    }
    for wanted in ADDRESSES {
        let values = members.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value);
        let texts = values.filter_map(|value| match value {
            Value::Object(link) => link.get("href").or_else(|| link.get("url"))?.as_str(),
            other => other.as_str(),
        });
        let is_address =
            |text: &&str| ["http://", "https://", "/", "?"].iter().any(|start| text.trim().starts_with(start));
        if let Some(text) = { texts }.find(is_address) {
            return Some(Next::Address(text.trim().to_owned()));
        }
    }
    for (wanted, parameters) in TOKENS {
        let Some((_, value)) = members.iter().find(|(name, _)| name == wanted) else { continue };
        let token = match value {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) if wanted.starts_with("next") => scalar_text(&Value::Number(number.clone())),
            _ => continue,
        };
        if let Some(parameter) = query_parameter(operation, parameters) {
            return Some(Next::Token { parameter, token });
        }
    }
    if depth >= MAX_DEPTH {
        return None;
    }
    let inner = members.iter().filter(|(name, _)| HOLDERS.contains(&name.as_str()));
    inner.filter_map(|(_, value)| value.as_object()).find_map(|holder| find_next(operation, holder, depth + 1))
}

/// The operation's query parameter of one of these names.
fn query_parameter(operation: &Operation, names: &[&str]) -> Option<String> {
    let fields = || operation.fields.iter().filter(|field| field.location == Location::Query);
    names.iter().find_map(|wanted| fields().find(|field| plain(&field.name) == *wanted)).map(|field| field.name.clone())
}
