//! Which settings are secrets, and how they are shown.

use serde_json::Value;

/// Shown instead of a secret.
pub const MASK: &str = "***";

const SECRET_KEYS: [&str; 9] =
    ["api_key", "client_secret", "key", "password", "secret", "session_key", "token", "webhook_secrets", "auth_token"];

/// True when the text at `path` is a secret by its name.
pub fn is_secret(path: &[String]) -> bool {
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
    match url_password(text) {
        Some(password) => text.replacen(&format!(":{password}@"), &format!(":{MASK}@"), 1),
        None => text.to_owned(),
    }
}

/// The password in a URL's authority, as written.
pub fn url_password(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // A password may hold an unescaped `@`: the last one ends it.
    let (user_info, _) = authority.rsplit_once('@')?;
    user_info.split_once(':').map(|(_, password)| password)
}

/// Removes every secret below `value` from `message`, and every text that came from the environment.
pub fn scrub(message: &str, path: &mut Vec<String>, value: &Value, hidden: &dyn Fn(&[String]) -> bool) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && (is_secret(path) || hidden(path) || url_password(text).is_some()) =>
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
