//! Arguments against schemas.

use std::collections::BTreeMap;

use jsonschema::{
    PatternOptions, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::{Map, Value};

use crate::model::{Field, Location, Operation, Problem, ProblemKind};

/// Steps a regular expression may take before it counts as not matching.
const BACKTRACK_LIMIT: usize = 100_000;
/// Most problems reported for one set of arguments.
const MAX_PROBLEMS: usize = 50;

/// A validator that reads nothing from outside and checks formats.
pub(crate) fn validator(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .with_pattern_options(
            PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(2 * 1024 * 1024),
        )
        .build(schema)
}

impl Operation {
    /// What is wrong with `arguments` (by [`Field::key`]); empty when they can be sent.
    ///
    /// Each field is checked by its own schema; if all are well, the body is checked as a whole (unless it holds
    /// files: what stands for them here is not what is sent).
    pub fn check(&self, arguments: &Map<String, Value>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for key in arguments.keys().filter(|key| self.field(key).is_none()) {
            problems.push(other(key, "no such field"));
        }
        for field in &self.fields {
            match arguments.get(&field.key) {
                None if field.required => problems.push(Problem {
                    field: field.key.clone(),
                    kind: ProblemKind::Missing,
                    message: "is required".to_owned(),
                }),
                None => {}
                Some(value) => problems.extend(check_field(field, value)),
            }
        }
        if problems.is_empty()
            && let (Some(body), Some(value)) = (&self.body, self.body_of(arguments))
            && !body.wrapped
            && !self.fields.iter().any(|field| field.location == Location::Body && field.file.is_some())
        {
            problems = check_value(&body.whole_schema, &value, |path| {
                let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
                format!("body:{}", name.replace("~1", "/").replace("~0", "~"))
            });
        }
        problems.truncate(MAX_PROBLEMS);
        problems
    }

    /// The body that `arguments` make, as JSON; `None` when none is to be sent.
    pub(crate) fn body_of(&self, arguments: &Map<String, Value>) -> Option<Value> {
        let body = self.body.as_ref()?;
        if body.wrapped {
            return arguments.get("body:").cloned();
        }
        let mut object = Map::new();
        for field in self.fields.iter().filter(|field| field.location == Location::Body) {
            if let Some(value) = arguments.get(&field.key) {
                object.insert(field.name.clone(), value.clone());
            }
        }
        (body.required || !object.is_empty()).then_some(Value::Object(object))
    }
}

/// What is wrong with one value of one field.
pub(crate) fn check_field(field: &Field, value: &Value) -> Vec<Problem> {
    if field.location == Location::Path && matches!(value, Value::String(text) if text.is_empty()) {
        return vec![other(&field.key, "may not be empty")];
    }
    let mut problems = check_value(&field.schema, value, |_| field.key.clone());
    for problem in &mut problems {
        // The field is there; something inside it is missing.
        if problem.kind == ProblemKind::Missing {
            problem.kind = ProblemKind::Other;
        }
    }
    problems
}

fn other(field: &str, message: &str) -> Problem {
    Problem { field: field.to_owned(), kind: ProblemKind::Other, message: message.to_owned() }
}

fn check_value(schema: &Value, value: &Value, field: impl Fn(&str) -> String) -> Vec<Problem> {
    let validator = match validator(schema) {
        Ok(validator) => validator,
        Err(error) => {
            // The import makes schemas that compile; what does not is the backend's to judge.
            tracing::debug!(error = %error.masked(), "schema does not compile; its value goes unchecked");
            return Vec::new();
        }
    };
    // One problem a field and kind is enough to ask again.
    let mut problems: BTreeMap<(String, String), Problem> = BTreeMap::new();
    for error in validator.iter_errors(value).take(MAX_PROBLEMS) {
        let mut found = Vec::new();
        problems_of(&error, &field, 0, &mut found);
        for problem in found {
            problems.entry((problem.field.clone(), format!("{:?}", problem.kind))).or_insert(problem);
        }
    }
    problems.into_values().collect()
}

fn problems_of(error: &ValidationError<'_>, field: &impl Fn(&str) -> String, depth: usize, out: &mut Vec<Problem>) {
    let limit = |min: Option<Value>, max: Option<Value>| ProblemKind::Range { min, max };
    let path = error.instance_path().as_str();
    let kind = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default().replace('~', "~0").replace('/', "~1");
            let key = field(&format!("{path}/{name}"));
            let kind = if path.is_empty() { ProblemKind::Missing } else { ProblemKind::Other };
            out.push(Problem { field: key, kind, message: message(error) });
            return;
        }
        // With one branch beside `null`, its problem is the one to tell.
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } if depth < 8 => {
            let real: Vec<_> = context.iter().filter(|errors| !errors.iter().any(wants_null)).collect();
            if let [errors] = real.as_slice() {
                errors.iter().take(4).for_each(|error| problems_of(error, field, depth + 1, out));
                return;
            }
            ProblemKind::Other
        }
        Kind::Type { .. } => ProblemKind::WrongType,
        Kind::Enum { options } => ProblemKind::Enum { allowed: options.as_array().cloned().unwrap_or_default() },
        Kind::Constant { expected_value } => ProblemKind::Enum { allowed: vec![expected_value.as_ref().clone()] },
        Kind::Minimum { limit: l } | Kind::ExclusiveMinimum { limit: l } => limit(Some(l.clone()), None),
        Kind::Maximum { limit: l } | Kind::ExclusiveMaximum { limit: l } => limit(None, Some(l.clone())),
        Kind::MinLength { limit: l } | Kind::MinItems { limit: l } | Kind::MinProperties { limit: l } => {
            limit(Some((*l).into()), None)
        }
        Kind::MaxLength { limit: l } | Kind::MaxItems { limit: l } | Kind::MaxProperties { limit: l } => {
            limit(None, Some((*l).into()))
        }
        Kind::Pattern { pattern } => ProblemKind::Pattern { pattern: pattern.clone() },
        Kind::Format { format } => ProblemKind::Format { format: format.clone() },
        _ => ProblemKind::Other,
    };
    out.push(Problem { field: field(path), kind, message: message(error) });
}

/// The value had to be `null`.
fn wants_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), Kind::Type { kind: TypeKind::Single(kind) } if kind.to_string() == "null")
}

/// The reason without the value itself: messages may reach logs.
fn message(error: &ValidationError<'_>) -> String {
    error.masked().to_string().chars().take(300).collect()
}
