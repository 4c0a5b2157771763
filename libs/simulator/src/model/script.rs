//! Which question gets which answer.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{Asked, BadAnswer};

/// A question that a script is for: all that is given has to fit.
#[derive(Clone, Debug, Default)]
pub struct When {
    user: Option<String>,
    result: Option<String>,
    results: Option<usize>,
    tool: Option<String>,
}

impl When {
    /// Any question.
    pub fn any() -> Self {
        Self::default()
    }

    /// The last user message has this text, in any case.
    pub fn user(text: &str) -> Self {
        Self { user: Some(text.to_lowercase()), ..Self::default() }
    }

    /// The last tool result since then has this text, in any case.
    #[must_use]
    pub fn result(self, text: &str) -> Self {
        Self { result: Some(text.to_lowercase()), ..self }
    }

    /// There are this many tool results since then; 0 is the first question of a turn.
    #[must_use]
    pub fn results(self, count: usize) -> Self {
        Self { results: Some(count), ..self }
    }

    /// A tool is offered whose name or description has this text, in any case.
    #[must_use]
    pub fn offers(self, tool: &str) -> Self {
        Self { tool: Some(tool.to_owned()), ..self }
    }

    fn fits(&self, asked: &Asked) -> bool {
        let results = asked.results();
        let has =
            |text: &str, part: &Option<String>| part.as_ref().is_none_or(|part| text.to_lowercase().contains(part));
        has(&asked.last_user(), &self.user)
            && (self.result.is_none() || results.last().is_some_and(|last| has(last, &self.result)))
            && self.results.is_none_or(|count| results.len() == count)
            && self.tool.as_ref().is_none_or(|part| asked.find_tool(part).is_some())
    }
}

/// A call that the model makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Name of the tool.
    pub name: String,
    /// Arguments, as text.
    pub arguments: String,
}

/// What the model answers.
#[derive(Clone)]
pub enum Reply {
    /// Text and calls; either may be empty.
    Says {
        /// The text.
        text: String,
        /// The calls.
        calls: Vec<Call>,
    },
    /// Something wrong.
    Bad(BadAnswer),
    /// Whatever this makes of the question.
    By(Arc<dyn Fn(&Asked) -> Reply + Send + Sync>),
}

impl Reply {
    /// One call.
    pub fn call(name: &str, arguments: &Value) -> Self {
        Self::calls(&[(name, arguments)])
    }

    /// Several calls at once.
    pub fn calls(calls: &[(&str, &Value)]) -> Self {
        let call =
            |(name, arguments): &(&str, &Value)| Call { name: (*name).to_owned(), arguments: arguments.to_string() };
        Self::Says { text: String::new(), calls: calls.iter().map(call).collect() }
    }

    /// An answer made of the question.
    pub fn by(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::By(Arc::new(reply))
    }

    /// A call of the first tool offered whose name or description has `part`; without one, text that says so.
    pub fn call_matching(part: &str, arguments: Value) -> Self {
        let part = part.to_owned();
        Self::by(move |asked| match asked.find_tool(&part) {
            Some(name) => Self::call(name, &arguments),
            None => format!("No tool for {part} was offered.").as_str().into(),
        })
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Says { text: text.to_owned(), calls: Vec::new() }
    }
}

impl From<BadAnswer> for Reply {
    fn from(bad: BadAnswer) -> Self {
        Self::Bad(bad)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Says { text, calls } => f.debug_struct("Says").field("text", text).field("calls", calls).finish(),
            Self::Bad(bad) => f.debug_tuple("Bad").field(bad).finish(),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}

#[derive(Default)]
pub(super) struct Script {
    scenes: Vec<(When, Reply, usize)>,
    pub otherwise: Option<Reply>,
}

impl Script {
    pub fn add(&mut self, when: When, reply: Reply, times: usize) {
        self.scenes.push((when, reply, times));
    }

    /// The answer to a question; its turn counts. [`Reply::By`] is left to be asked outside of any lock.
    pub fn take(&mut self, asked: &Asked) -> Reply {
        let scene = self.scenes.iter_mut().find(|(when, _, times)| *times > 0 && when.fits(asked));
        if let Some((_, reply, times)) = scene {
            if *times != usize::MAX {
                *times -= 1;
            }
            return reply.clone();
        }
        self.otherwise.clone().unwrap_or_else(|| "This model has no script for what you say.".into())
    }
}
