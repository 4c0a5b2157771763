//! Files as browsers and other programs get them: never run, and shown by a browser only where they are a picture.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};

/// Pictures that a browser shows by itself; others are saved.
const SHOWN: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];
/// Nothing of a file may run or load anything, whatever it says that it is.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
/// A type that a browser runs in no case.
const ANY_BYTES: &str = "application/octet-stream";
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;

/// A file to give.
#[derive(Clone, Copy, Debug)]
pub struct Download<'a> {
    /// Its media type, as its bytes show it.
    pub media_type: &'a str,
    /// Its name, where one is known.
    pub name: Option<&'a str>,
    /// Its name where none is known: letters and digits.
    pub else_named: &'a str,
    /// Whoever asks is no browser and goes by the media type, so it is told as it is.
    pub exact_type: bool,
}

impl Download<'_> {
    /// The answer that gives it.
    pub fn response(&self, content: impl Into<Body>) -> Response {
        let shown = SHOWN.contains(&self.media_type);
        let headers = [
            (header::CONTENT_TYPE, if shown || self.exact_type { self.media_type } else { ANY_BYTES }.to_owned()),
            (header::CONTENT_DISPOSITION, self.disposition(shown)),
            (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        let mut response = content.into().into_response();
        for (name, value) in headers {
            // They are ASCII by what makes them; one that were not would be left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// How a browser takes it, and under which name: letters, digits, `.`, `_` and `-` of the one it came with.
    fn disposition(&self, shown: bool) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let given = self.name.unwrap_or_default().trim_start_matches('.');
        let name: String = given.chars().take(NAME_CHARS_MAX).map(plain).collect();
        let name = if name.is_empty() { self.else_named } else { &name };
        format!("{}; filename=\"{name}\"", if shown { "inline" } else { "attachment" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(media_type: &'static str, name: Option<&'static str>) -> Download<'static> {
        Download { media_type, name, else_named: "7692c3ad3540", exact_type: false }
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        for (name, expected) in [
            (Some("mirror.jpg"), "attachment; filename=\"mirror.jpg\""),
            (Some("../a\"; x=\"\r\nSet-Cookie: b"), "attachment; filename=\"_a___x____Set-Cookie__b\""),
            (Some(".."), "attachment; filename=\"7692c3ad3540\""),
            (None, "attachment; filename=\"7692c3ad3540\""),
        ] {
            assert_eq!(file("text/plain", name).disposition(false), expected);
        }
        assert!(file("image/png", None).disposition(true).starts_with("inline; "));
    }

    #[test]
    fn only_pictures_are_shown_and_nothing_runs() {
        for (media_type, exact_type, kind, how) in [
            ("image/jpeg", false, "image/jpeg", "inline"),
            ("image/svg+xml", false, "application/octet-stream", "attachment"),
            ("text/html", false, "application/octet-stream", "attachment"),
            ("application/pdf", false, "application/octet-stream", "attachment"),
            ("application/pdf", true, "application/pdf", "attachment"),
            ("text/html", true, "text/html", "attachment"),
        ] {
            let response = Download { exact_type, ..file(media_type, None) }.response("<script>");
            let header = |name: header::HeaderName| response.headers()[name].to_str().expect("a text").to_owned();
            assert_eq!(header(header::CONTENT_TYPE), kind);
            assert!(header(header::CONTENT_DISPOSITION).starts_with(how), "{media_type}");
            assert!(header(header::CONTENT_SECURITY_POLICY).starts_with("sandbox; default-src 'none'"));
            assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        }
    }
}
