//! What a model is sent, within its tokens: said, told, rules and tools have their shares, results take what is left.

use llm::{ChatRequest, Message, estimate};

use crate::language::format::cut;

/// Tokens of all messages and tools, by our upper estimate: a prompt stays under 6,000.
const PROMPT_TOKENS: usize = 5_900;
/// Tokens that all tools together may take.
pub const TOOLS_TOKENS: usize = 3_000;
/// Tokens of one result.
pub const RESULT_TOKENS: usize = 900;
/// Tokens of what the person says.
pub const SAID_TOKENS: usize = 800;
/// Tokens of the question before, and of our answer to it.
pub const TOLD_TOKENS: (usize, usize) = (100, 300);
/// Tokens of the names of all documents.
pub const TITLES_TOKENS: usize = 200;
/// Tokens of a text or of arguments that the model gave, as it sees them again.
pub const GIVEN_TOKENS: usize = 150;
/// In place of a result that does not fit any more.
const LEFT_OUT: &str = "(left out for length)";

/// The beginning of a text, of at most so many tokens.
pub fn head(text: &str, most_tokens: usize) -> String {
    let mut kept = text.trim().to_owned();
    let mut chars = kept.chars().count();
    loop {
        let tokens = estimate::text(&kept);
        if tokens <= most_tokens {
            return kept;
        }
        chars = (chars * most_tokens / tokens).min(chars - 1);
        if chars == 0 {
            return String::new();
        }
        kept = cut(text, chars);
    }
}

/// The request within its tokens: older results are left out first, then older calls with them, then the last results.
/// None when not even that is enough.
pub fn fit(mut request: ChatRequest) -> Option<ChatRequest> {
    let fits = |request: &ChatRequest| estimate::request(request) <= PROMPT_TOKENS;
    let last = request.messages.iter().rposition(calls).unwrap_or(request.messages.len());
    for at in 0..last {
        if fits(&request) {
            return Some(request);
        }
        leave_out(&mut request.messages[at]);
    }
    while !fits(&request) {
        let mut begins = request.messages.iter().enumerate().filter(|(_, message)| calls(message)).map(|(at, _)| at);
        let (Some(first), Some(second)) = (begins.next(), begins.next()) else { break };
        request.messages.drain(first..second);
    }
    let last = request.messages.iter().rposition(calls).unwrap_or(request.messages.len());
    for at in last..request.messages.len() {
        if fits(&request) {
            return Some(request);
        }
        leave_out(&mut request.messages[at]);
    }
    fits(&request).then_some(request)
}

/// An answer of the model that its results follow.
fn calls(message: &Message) -> bool {
    matches!(message, Message::Assistant { tool_calls, .. } if !tool_calls.is_empty())
}

fn leave_out(message: &mut Message) {
    if let Message::ToolResult { content, .. } = message {
        LEFT_OUT.clone_into(content);
    }
}

#[cfg(test)]
mod tests {
    use llm::ToolCall;
    use proptest::prelude::*;

    use super::*;

    fn exchange(n: usize, result: &str) -> [Message; 2] {
        let call = ToolCall { id: format!("c{n}"), name: "look".to_owned(), arguments: "{}".to_owned() };
        [
            Message::Assistant { text: String::new(), tool_calls: vec![call] },
            Message::ToolResult { id: format!("c{n}"), content: result.to_owned() },
        ]
    }

    fn request(exchanges: impl IntoIterator<Item = [Message; 2]>) -> ChatRequest {
        let talk = [Message::system("You help."), Message::user("What is there?")];
        ChatRequest {
            messages: talk.into_iter().chain(exchanges.into_iter().flatten()).collect(),
            ..Default::default()
        }
    }

    fn results(request: &ChatRequest) -> Vec<&str> {
        let all = request.messages.iter();
        all.filter_map(|message| match message {
            Message::ToolResult { content, .. } => Some(content.as_str()),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn the_newest_results_stay_and_every_call_keeps_its_result() {
        let (long, new) = ("word ".repeat(2_500), "word ".repeat(3_000));
        let fitted = fit(request([exchange(1, &long), exchange(2, &long), exchange(3, &new)])).expect("it fits");
        assert_eq!(results(&fitted), [LEFT_OUT, &long, &new]);
        // More calls than even their places have room.
        let fitted = fit(request((0..900).map(|n| exchange(n, "short")))).expect("it fits");
        let begins = fitted.messages.iter().filter(|message| calls(message)).count();
        assert_eq!(begins, results(&fitted).len());
        assert!(begins < 900 && results(&fitted).last() == Some(&"short"));
    }

    #[test]
    fn a_last_result_that_is_too_long_is_left_out_and_what_is_said_never() {
        let fitted = fit(request([exchange(1, "short"), exchange(2, &"word ".repeat(9_000))])).expect("it fits");
        assert_eq!(results(&fitted), [LEFT_OUT]);
        let mut said = request([exchange(1, "short")]);
        said.messages[1] = Message::user("word ".repeat(9_000));
        assert_eq!(fit(said), None);
    }

    proptest! {
        #[test]
        fn a_head_has_at_most_its_tokens_and_is_the_texts_beginning(text in "\\PC{0,400}", most in 0_usize..200) {
            let head = head(&text, most);
            prop_assert!(estimate::text(&head) <= most);
            let kept = head.strip_suffix('…').unwrap_or(&head);
            prop_assert!(text.trim().starts_with(kept));
        }
    }
}
