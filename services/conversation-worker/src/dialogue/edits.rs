//! What was said last, message by message: platforms tell of edits in which no word has changed.

use domain::Content;
use sha2::{Digest as _, Sha256};

use super::{scope::Scope, state::Said};

/// Messages that are remembered; people edit what they have just written.
const KEPT: usize = 5;

/// True for an edit that says what its message says already.
pub fn is_unchanged(scope: &Scope<'_>) -> bool {
    let Some(said) = scope.input.messages.last() else { return false };
    let mark = mark(&said.content);
    said.edits.as_ref().is_some_and(|of| scope.state.said.iter().any(|known| known.id == *of && known.mark == mark))
}

/// Remembers the messages of this turn as they are now.
pub fn remember(scope: &mut Scope<'_>) {
    for said in &scope.input.messages {
        let id = said.edits.as_ref().unwrap_or(&said.id);
        if id.is_empty() || said.content.is_silent() || matches!(said.content, Content::Alarm { .. }) {
            continue;
        }
        scope.state.said.retain(|known| known.id != *id);
        scope.state.said.push(Said { id: id.clone(), mark: mark(&said.content) });
    }
    let over = scope.state.said.len().saturating_sub(KEPT);
    scope.state.said.drain(..over);
}

fn mark(content: &Content) -> String {
    let whole = serde_json::to_vec(content).unwrap_or_default();
    hex::encode(&Sha256::digest(whole)[..8])
}
