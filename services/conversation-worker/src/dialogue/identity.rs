//! Who the person is in a backend: looked up once, filled into calls, never asked.

use domain::Contact;
use openapi::{Location, Operation, Risk};
use serde_json::{Map, Value};

use super::{
    scope::{OPEN_S, Scope, Step},
    small,
    state::Frame,
};
use crate::turn::{CallOutcome, IdentityLookup, IdentityValue, LABEL, Mapping, Purpose, Said, SaveIdentity};

/// What is known about the person in a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// The document asks for no identity.
    Anybody,
    /// Found; values by parameter name.
    Known(Mapping),
    /// The backend has nobody like that.
    Stranger,
    /// It could not be asked.
    Unchecked,
}

/// Who the person is in a document; looks it up when no valid mapping is there.
pub fn who(scope: &mut Scope<'_>, document: &str) -> Step<Who> {
    let Some(lookup) = scope.document(document).and_then(|info| info.identity.clone()) else {
        return Ok(Who::Anybody);
    };
    if let Some(mapping) = scope.mapping(document) {
        return Ok(Who::Known(mapping));
    }
    if scope.state.strangers.get(document).is_some_and(|at| !scope.is_older(*at, OPEN_S)) {
        return Ok(Who::Stranger);
    }
    let Some(said) = scope.input.messages.last() else { return Ok(Who::Stranger) };
    let value = match lookup.value {
        IdentityValue::Phone => said.phone.clone().filter(|phone| !phone.is_empty()),
        IdentityValue::UserId => Some(said.user.clone()).filter(|user| !user.is_empty()),
    };
    let Some(value) = value else { return Ok(stranger(scope, document)) };
    let Some(operation) = scope.operation(&lookup.operation_id, "")? else { return Ok(Who::Unchecked) };
    let Some(field) =
        operation.fields.iter().find(|field| field.name == lookup.parameter || field.key == lookup.parameter).cloned()
    else {
        return Ok(Who::Unchecked);
    };
    let mut arguments = Map::new();
    arguments.insert(field.key, Value::String(value));
    super::hints::defaults(&operation, &mut arguments);
    match scope.call(&operation, &arguments, Purpose::Identity)? {
        CallOutcome::Answered { status: 200..=299, body, .. } => Ok(match mapping(&lookup, &body, scope) {
            Some(found) => {
                if let Some(person) = scope.person() {
                    scope.saves.push(SaveIdentity { person, document: document.to_owned(), mapping: found.clone() });
                }
                scope.state.strangers.remove(document);
                Who::Known(found)
            }
            None => stranger(scope, document),
        }),
        CallOutcome::Answered { status: 404, .. } => Ok(stranger(scope, document)),
        CallOutcome::Answered { .. }
        | CallOutcome::Away { .. }
        | CallOutcome::Unknown { .. }
        | CallOutcome::NoCredentials { .. } => Ok(Who::Unchecked),
    }
}

/// True for one's own contact, as people share it who are known by no number.
pub fn is_own(said: &Said, contacts: &[Contact]) -> bool {
    let digits = |text: &String| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let number = said.phone.as_ref().map(digits).filter(|number| !number.is_empty());
    matches!(contacts, [contact] if number.is_some() && contact.phones.iter().any(|phone| Some(digits(phone)) == number))
}

/// Looks the person up by the number that they have just told, and greets them.
pub fn introduced(scope: &mut Scope<'_>) -> Step<()> {
    scope.state.strangers.clear();
    let documents: Vec<String> = scope.input.settings.documents.iter().map(|info| info.id.clone()).collect();
    for document in documents {
        who(scope, &document)?;
    }
    small::greet(scope)
}

fn stranger(scope: &mut Scope<'_>, document: &str) -> Who {
    scope.state.strangers.insert(document.to_owned(), scope.input.now);
    Who::Stranger
}

/// The mapping that an answer gives; `None` unless every configured value is in it.
fn mapping(lookup: &IdentityLookup, body: &Value, scope: &Scope<'_>) -> Option<Mapping> {
    let scalar = |value: &Value| value.is_string() || value.is_number();
    let mut values = Map::new();
    for (parameter, pointer) in &lookup.answer {
        values.insert(parameter.clone(), body.pointer(pointer).filter(|v| scalar(v))?.clone());
    }
    let first = values.values().next()?;
    let backend_user = first.as_str().map_or_else(|| first.to_string(), str::to_owned);
    if let Some(label) = lookup.label.as_ref().and_then(|pointer| body.pointer(pointer)).and_then(Value::as_str) {
        values.insert(LABEL.to_owned(), Value::String(label.to_owned()));
    }
    let expires_at = scope.input.now + std::time::Duration::from_secs(lookup.expires_s.min(366 * 86_400));
    Some(Mapping { backend_user, values, expires_at })
}

/// Display name of a mapping.
pub fn label(mapping: &Mapping) -> Option<&str> {
    mapping.values.get(LABEL).and_then(Value::as_str).map(str::trim).filter(|label| !label.is_empty())
}

/// Fills what follows from who the person is: all that is required, and in effects all but query parameters.
///
/// Optional query parameters stay open unless the person asks for what is `mine`: they are filters, and "all of them"
/// has to remain possible.
pub fn fill(operation: &Operation, frame: &mut Frame, mapping: &Mapping, mine: bool) {
    for field in &operation.fields {
        let Some(value) = mapping.values.get(&field.name).filter(|_| field.name != LABEL) else { continue };
        let filter = !field.required && (operation.risk == Risk::Safe || field.location == Location::Query);
        if filter && !mine {
            continue;
        }
        frame.arguments.insert(field.key.clone(), value.clone());
        if let Some(label) = label(mapping) {
            frame.labels.insert(field.key.clone(), label.to_owned());
        }
        if !frame.identity.contains(&field.key) {
            frame.identity.push(field.key.clone());
        }
    }
}

/// First name to greet with: from a mapping, else as the platform shows it.
pub fn first_name(scope: &Scope<'_>) -> Option<String> {
    let known = scope
        .input
        .settings
        .documents
        .iter()
        .find_map(|info| scope.mapping(&info.id))
        .and_then(|m| label(&m).map(str::to_owned));
    let name = known.or_else(|| scope.input.messages.last()?.contact_name.clone())?;
    name.split_whitespace().next().map(|first| first.chars().take(40).collect())
}

/// Full name as the other members of a group know it.
pub fn display_name(scope: &Scope<'_>) -> Option<String> {
    scope.input.messages.last()?.contact_name.clone().or_else(|| first_name(scope))
}
