//! Security requirements and schemes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Context, Dialect};
use crate::{
    model::{KeyLocation, SecurityScheme},
    refs::At,
};

const MAX_ALTERNATIVES: usize = 20;

type Requirements = Vec<BTreeMap<String, Vec<String>>>;
type Schemes = BTreeMap<String, SecurityScheme>;

/// The alternatives of one operation and the schemes it can use; the one that needs nothing comes last.
///
/// `secrets` are parameters that are credentials by their name, with whether they are required:
/// they count as schemes of their name, and are demanded where the document demands nothing else.
pub(super) fn read(
    context: &mut Context<'_>,
    at: At<'_>,
    secrets: &BTreeMap<String, (SecurityScheme, bool)>,
) -> (Requirements, Schemes) {
    let declared = at.value.get("security").or_else(|| context.root.value.get("security")).and_then(Value::as_array);
    let mut requirements = Requirements::new();
    for alternative in declared.into_iter().flatten().filter_map(Value::as_object).take(MAX_ALTERNATIVES) {
        let scopes = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        requirements.push(alternative.iter().map(|(name, value)| (name.clone(), scopes(value))).collect());
    }
    let mut schemes = Schemes::new();
    for name in requirements.iter().flat_map(BTreeMap::keys) {
        let scheme = find(context, name).unwrap_or_else(|| SecurityScheme::Other { kind: "undeclared".to_owned() });
        schemes.insert(name.clone(), scheme);
    }
    let covered = |secret: &SecurityScheme, schemes: &Schemes| schemes.values().any(|scheme| scheme == secret);
    let demanded: BTreeMap<String, Vec<String>> =
        secrets.iter().filter(|(_, (_, required))| *required).map(|(name, _)| (name.clone(), Vec::new())).collect();
    if requirements.is_empty() && !demanded.is_empty() {
        requirements.push(demanded);
    }
    for (name, (secret, _)) in secrets {
        if !covered(secret, &schemes) {
            schemes.entry(name.clone()).or_insert_with(|| secret.clone());
        }
    }
    requirements.sort_by_key(BTreeMap::is_empty);
    if requirements.iter().all(BTreeMap::is_empty) {
        requirements.clear();
    }
    (requirements, schemes)
}

fn find(context: &Context<'_>, name: &str) -> Option<SecurityScheme> {
    let all = match context.dialect {
        Dialect::Two => context.root.get("securityDefinitions"),
        Dialect::Three => context.root.get("components").and_then(|components| components.get("securitySchemes")),
    };
    let at = context.files.deref(all?.get(name)?).ok()?;
    let kind = at.text("type").unwrap_or_default();
    let other = || SecurityScheme::Other { kind: kind.to_owned() };
    Some(match kind {
        "apiKey" => {
            let location = match at.text("in") {
                Some("header") => KeyLocation::Header,
                Some("query") => KeyLocation::Query,
                Some("cookie") => KeyLocation::Cookie,
                _ => return Some(other()),
            };
            SecurityScheme::ApiKey { location, name: at.text("name")?.to_owned() }
        }
        "basic" => SecurityScheme::Basic,
        "http" => match at.text("scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => SecurityScheme::Basic,
            "bearer" => SecurityScheme::Bearer,
            scheme => SecurityScheme::Other { kind: format!("http {scheme}") },
        },
        "oauth2" => {
            let flow = match context.dialect {
                Dialect::Two => Some(at).filter(|at| at.text("flow") == Some("application")),
                Dialect::Three => at.get("flows").and_then(|flows| flows.get("clientCredentials")),
            };
            let token_url =
                flow.and_then(|flow| flow.text("tokenUrl")).map(|url| super::servers::absolute(context, url));
            SecurityScheme::Oauth2 { token_url }
        }
        "openIdConnect" => SecurityScheme::Oauth2 { token_url: None },
        _ => other(),
    })
}
