//! Credentials from the command line: `NAME=env:VAR`, read as the document's security scheme asks.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use openapi::{Document, SecurityScheme};
use secrecy::SecretString;
use service_kit::tenants::CredentialConfig;

/// The credentials by scheme name; `read` looks up a variable.
///
/// # Errors
/// In words: a text that is no `NAME=env:VAR`, a scheme that the document does not have, a variable that is not set
/// or has the wrong shape. No secret is in the text.
pub fn credentials(
    document: &Document,
    given: &[String],
    read: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<BTreeMap<String, CredentialConfig>> {
    let schemes: BTreeMap<&String, &SecurityScheme> =
        document.operations.iter().flat_map(|operation| &operation.schemes).collect();
    let mut found = BTreeMap::new();
    for text in given {
        let (name, variable) =
            text.split_once('=').and_then(|(name, value)| Some((name, value.strip_prefix("env:")?))).with_context(
                || format!("`{text}` is no credential: write NAME=env:VAR, so that no secret stands on a command line"),
            )?;
        let secret = read(variable)
            .filter(|secret| !secret.trim().is_empty())
            .with_context(|| format!("the credential {name} needs the variable {variable}, which is not set"))?;
        let scheme = schemes.get(&name.to_owned()).with_context(|| {
            let known: Vec<&str> = schemes.keys().map(|name| name.as_str()).collect();
            match known.as_slice() {
                [] => format!("the document has no security scheme {name}; it asks for none"),
                known => format!("the document has no security scheme {name}, but {}", known.join(", ")),
            }
        })?;
        found.insert(
            name.to_owned(),
            credential(scheme, secret.trim()).with_context(|| format!("the variable {variable}"))?,
        );
    }
    Ok(found)
}

fn credential(scheme: &SecurityScheme, secret: &str) -> anyhow::Result<CredentialConfig> {
    let pair = |shape: &str| {
        let (left, right) = secret.split_once(':').with_context(|| format!("has to hold {shape}"))?;
        anyhow::Ok((left.to_owned(), SecretString::from(right)))
    };
    Ok(match scheme {
        SecurityScheme::ApiKey { .. } => CredentialConfig::ApiKey { value: SecretString::from(secret) },
        SecurityScheme::Bearer | SecurityScheme::Other { .. } => {
            CredentialConfig::Bearer { token: SecretString::from(secret) }
        }
        SecurityScheme::Basic => {
            let (username, password) = pair("user:password")?;
            CredentialConfig::Basic { username, password }
        }
        SecurityScheme::Oauth2 { .. } => {
            let (client_id, client_secret) = pair("client_id:client_secret")?;
            if client_id.is_empty() {
                bail!("has to hold client_id:client_secret");
            }
            CredentialConfig::OAuth2 { client_id, client_secret, token_url: None, scopes: Vec::new() }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"openapi":"3.1.0","info":{"title":"t","version":"1"},
        "paths":{"/things":{"get":{"security":[{"key":[]},{"login":[]},{"app":[]}],"responses":{"200":{"description":"ok"}}}}},
        "components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"X-Key"},"login":{"type":"http","scheme":"basic"},
        "app":{"type":"oauth2","flows":{"clientCredentials":{"tokenUrl":"https://id.example.com/token","scopes":{}}}}}}}"#;

    fn check(given: &str, secret: Option<&str>, expected: Result<&str, &str>) {
        let document = openapi::import("main", DOCUMENT.as_bytes(), &Default::default()).expect("a document");
        let found = credentials(&document, &[given.to_owned()], |name| {
            assert_eq!(name, "VAR");
            secret.map(str::to_owned)
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let kind = match found.into_values().next() {
                    Some(CredentialConfig::ApiKey { .. }) => "api key",
                    Some(CredentialConfig::Basic { .. }) => "basic",
                    Some(CredentialConfig::Bearer { .. }) => "bearer",
                    Some(CredentialConfig::OAuth2 { .. }) => "oauth2",
                    None => "none",
                };
                assert_eq!(kind, expected, "{given}");
            }
            (Err(error), Err(expected)) => {
                let text = format!("{error:#}");
                assert!(text.contains(expected), "{given}: {text}");
                assert!(secret.is_none_or(|secret| !text.contains(secret)), "{text}");
            }
            (found, expected) => panic!("{given}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn credentials_take_the_shape_that_the_scheme_asks() {
        check("key=env:VAR", Some("s3cret"), Ok("api key"));
        check("login=env:VAR", Some("ana:s3cret"), Ok("basic"));
        check("login=env:VAR", Some("s3cret"), Err("user:password"));
        check("app=env:VAR", Some("me:s3cret"), Ok("oauth2"));
        check("app=env:VAR", Some("s3cret"), Err("client_id:client_secret"));
        check("other=env:VAR", Some("s3cret"), Err("no security scheme other, but app, key, login"));
        check("key=env:VAR", None, Err("VAR, which is not set"));
        check("key=s3cret", Some("x1y2z3"), Err("write NAME=env:VAR"));
    }
}
