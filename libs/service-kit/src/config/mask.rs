//! Which settings are secrets, and how they are shown.

use std::ops::Range;

use serde_json::Value;

/// Shown instead of a secret.
pub const MASK: &str = "***";

const SECRET_KEYS: [&str; 13] = [
    "access_token",
    "api_key",
    "app_secrets",
    "client_secret",
    "key",
    "password",
    "secret",
    "secret_key",
    "session_key",
    "token",
    "webhook_secrets",
    "auth_token",
    "verify_token",
];

/// True when the text at `path` is a secret by its name. `api_keys` and `headers` hold nothing but keys, under names of
/// any kind.
pub fn is_secret(path: &[String]) -> bool {
    if path.iter().any(|segment| segment == "api_keys" || segment == "headers") {
        return true;
    }
    let mut names = path.iter().rev().skip_while(|segment| segment.parse::<usize>().is_ok());
    let Some(name) = names.next() else {
        return false;
    };
    SECRET_KEYS.contains(&name.as_str()) || (name == "value" && path.iter().any(|segment| segment == "credentials"))
}

/// The text as it may be shown: secrets as `***`, passwords in URLs masked, a reference `env:VAR` as it stands.
pub fn shown(path: &[String], text: &str) -> String {
    if is_secret(path) && !text.starts_with("env:") {
        return MASK.to_owned();
    }
    let mut shown = text.to_owned();
    for range in url_password_ranges(text).into_iter().rev() {
        shown.replace_range(range, MASK);
    }
    shown
}

/// The passwords in a URL, as written: the one of its authority, and query parameters `password`.
pub fn url_passwords(text: &str) -> impl Iterator<Item = &str> {
    url_password_ranges(text).into_iter().map(|range| &text[range])
}

/// Where they stand, in ascending order.
fn url_password_ranges(text: &str) -> Vec<Range<usize>> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Vec::new();
    };
    let start = scheme.len() + "://".len();
    let mut found = Vec::new();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // A password may hold an unescaped `@`: the last one ends it.
    if let Some((user, password)) = authority.rsplit_once('@').and_then(|(user_info, _)| user_info.split_once(':')) {
        let at = start + user.len() + ":".len();
        found.push(at..at + password.len());
    }
    let before_fragment = rest.split('#').next().unwrap_or(rest);
    if let Some((before, query)) = before_fragment.split_once('?') {
        let mut at = start + before.len() + "?".len();
        for pair in query.split('&') {
            if let Some((name, value)) = pair.split_once('=')
                && name.eq_ignore_ascii_case("password")
            {
                let value_at = at + name.len() + "=".len();
                found.push(value_at..value_at + value.len());
            }
            at += pair.len() + "&".len();
        }
    }
    found
}

/// Removes every secret below `value` from `message`, and every text that came from the environment.
pub fn scrub(message: &str, path: &mut Vec<String>, value: &Value, hidden: &dyn Fn(&[String]) -> bool) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && (is_secret(path) || hidden(path) || url_passwords(text).next().is_some()) =>
        {
            let quoted = format!("{text:?}");
            message.replace(&quoted, MASK).replace(&format!("`{text}`"), MASK)
        }
        Value::Object(map) => map.iter().fold(message.to_owned(), |message, (key, value)| {
            path.push(key.clone());
            let message = scrub(&message, path, value, hidden);
            path.pop();
            message
        }),
        Value::Array(items) => items.iter().enumerate().fold(message.to_owned(), |message, (index, value)| {
            path.push(index.to_string());
            let message = scrub(&message, path, value, hidden);
            path.pop();
            message
        }),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &str) {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        assert_eq!(shown(&path, text), expected, "{path:?}");
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        check("accounts/infobip:main/api_key", "k", MASK);
        check("catalog/api_keys/acme", "k", MASK);
        check("catalog/api_keys/acme", "env:ACME_KEY", "env:ACME_KEY");
        check("accounts/infobip:main/webhook_secrets/0", "s", MASK);
        check("accounts/meta:main/access_token", "k", MASK);
        check("accounts/meta:main/app_secrets/0", "s", MASK);
        check("accounts/meta:main/verify_token", "w", MASK);
        check("accounts/telegram:main/token", "1:s", MASK);
        check("accounts/meta:main/phone_number_id", "1065", "1065");
        check("telemetry/otlp/headers/x-team", "k", MASK);
        check("telemetry/langfuse/secret_key", "k", MASK);
        check("telemetry/langfuse/public_key", "k", "k");
        check("documents/main/credentials/*/value", "s", MASK);
        check("documents/main/tenant_header/value", "t", "t");
        check("grpc/keys/console/tenant", "acme", "acme");
    }

    #[test]
    fn passwords_in_urls_are_masked_where_they_stand() {
        check("database/url", "postgres://u:pw@host/x", "postgres://u:***@host/x");
        check("database/url", "postgres://u:p@w@host/x?a=b", "postgres://u:***@host/x?a=b");
        check("database/url", "postgres://host/x?user=u&password=pw", "postgres://host/x?user=u&password=***");
        check("database/url", "postgres://u:1@h/x?Password=2&a=b#c", "postgres://u:***@h/x?Password=***&a=b#c");
        check("database/url", "postgres://host?password=a@b:c", "postgres://host?password=***");
        check("database/url", "postgres://u@host/password", "postgres://u@host/password");
        check("database/url", "sqlite:data/x.db", "sqlite:data/x.db");
    }
}
