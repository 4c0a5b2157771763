//! Everything that a model and its server do wrong ends in a sound answer or a clear error.

use std::time::Duration;

use llm::{ChatAnswer, ChatConfig, ChatLimits, ChatRequest, Finish, LlmError, Message};
use simulator::model::{BadAnswer as Bad, When};

use crate::{KEY, Running, chat, question};

/// What has to come of it: with a stream, and without where that differs. A class of [`LlmError`], or how it ends.
fn expected(bad: Bad) -> (&'static str, &'static str) {
    let both = |end| (end, end);
    match bad {
        Bad::Hang | Bad::HangAfterHeaders => ("away", "away or slow"),
        Bad::Close | Bad::ServerError | Bad::BadGateway | Bad::Unavailable | Bad::CutBeforeText => both("away"),
        Bad::BadRequest
        | Bad::Unauthorized
        | Bad::Forbidden
        | Bad::ModelNotFound
        | Bad::ContextTooLong
        | Bad::TooLarge
        | Bad::QuotaSpent
        | Bad::Redirect => both("refused"),
        Bad::BusySeconds | Bad::BusyDate | Bad::BusyLong | Bad::Busy | Bad::Overloaded | Bad::BusyWith200 => {
            both("busy")
        }
        Bad::ErrorWith200
        | Bad::ErrorTextWith200
        | Bad::EmptyBody
        | Bad::HtmlWith200
        | Bad::DeepJson
        | Bad::NoChoices
        | Bad::ChoicesOfAnotherType
        | Bad::NoMessage
        | Bad::EndlessBody
        | Bad::EmptyAnswer
        | Bad::HugeArguments
        | Bad::FinishError
        | Bad::InvalidUtf8
        | Bad::GarbageEvent
        | Bad::EndlessText
        | Bad::EndlessThoughts => both("nonsense"),
        Bad::LoneSurrogate | Bad::DoneAlone => ("nonsense", "stop"),
        Bad::CutMidText | Bad::CutInsideUtf8 | Bad::CutMidArguments => both("cut"),
        Bad::EndMidText => ("cut", "nonsense"),
        Bad::ErrorMidStream => ("cut", "away"),
        Bad::ErrorAtOnce => both("away"),
        Bad::HangMidText => both("slow"),
        Bad::UnknownTool
        | Bad::EmptyToolName
        | Bad::LongToolName
        | Bad::BrokenArguments
        | Bad::ArrayArguments
        | Bad::WrongArguments
        | Bad::NoArguments
        | Bad::DuplicateCallIds
        | Bad::EmptyCallIds
        | Bad::NoCallIds
        | Bad::LongCallId
        | Bad::HundredCalls
        | Bad::SameCallAgain
        | Bad::StopWithCalls
        | Bad::HugeCallIndex
        | Bad::NegativeCallIndex
        | Bad::NoCallIndex
        | Bad::ZeroCallIndexes => both("tool_calls"),
        Bad::PromptFiltered | Bad::ContentFilter => both("content_filter"),
        Bad::LengthInText | Bad::LengthInArguments | Bad::LengthBeforeText => both("length"),
        Bad::UnknownFinish | Bad::DoneWithoutFinish => both("other"),
        Bad::HugeText
        | Bad::HostileText
        | Bad::CallsPromised
        | Bad::NoUsage
        | Bad::WildUsage
        | Bad::HangAfterFinish
        | Bad::NoDone
        | Bad::CarriageReturns
        | Bad::Comments
        | Bad::NoSpaces
        | Bad::ByteByByte
        | Bad::EmptyChunks
        | Bad::MislabelledStream
        | Bad::WholeInsteadOfStream => both("stop"),
    }
}

/// Sends the answer back, as a turn that goes on does.
fn continued(request: &ChatRequest, answer: &ChatAnswer) -> ChatRequest {
    let mut request = request.clone();
    request.messages.push(answer.to_message());
    for call in &answer.tool_calls {
        request.messages.push(Message::tool_result(&call.id, "refused"));
    }
    if answer.tool_calls.is_empty() {
        request.messages.push(Message::user("Go on"));
    }
    request
}

fn check_answer(bad: Bad, answer: &ChatAnswer) {
    let calls = &answer.tool_calls;
    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    let arguments: Vec<&str> = calls.iter().map(|call| call.arguments.as_str()).collect();
    match bad {
        Bad::UnknownTool => assert_eq!(names, ["delete_everything"]),
        Bad::EmptyToolName => assert_eq!(names, [""]),
        Bad::LongToolName => assert!(names.iter().all(|name| name.len() <= 256)),
        Bad::BrokenArguments => assert_eq!(arguments, ["{\"id\": 7, oops"]),
        Bad::ArrayArguments => assert_eq!(arguments, ["[1, 2, 3]"]),
        Bad::NoArguments | Bad::StopWithCalls => assert_eq!(arguments, ["{}"]),
        Bad::LengthInArguments => assert_eq!(arguments, ["{\"text\":\"it was to be lon"]),
        Bad::HundredCalls => assert_eq!((calls.len(), answer.tool_calls_dropped), (16, 84)),
        Bad::DuplicateCallIds | Bad::EmptyCallIds | Bad::NoCallIds | Bad::NoCallIndex | Bad::ZeroCallIndexes => {
            assert_eq!(arguments, ["{\"id\":1}", "{\"id\":2}"], "{bad:?}");
            assert!(calls[0].id != calls[1].id && calls.iter().all(|call| !call.id.is_empty()), "{bad:?} {calls:?}");
        }
        Bad::HugeText => assert!(answer.text.len() > 100_000),
        Bad::PromptFiltered | Bad::LengthBeforeText => assert_eq!(answer.text, ""),
        Bad::NoUsage | Bad::WildUsage | Bad::HangAfterFinish => {
            assert!(answer.usage.estimated || bad == Bad::HangAfterFinish, "{bad:?} {:?}", answer.usage);
            assert!(answer.usage.input_tokens > 10 && answer.usage.output_tokens > 5, "{bad:?} {:?}", answer.usage);
        }
        _ if answer.finish == Finish::Stop => {
            assert!(
                answer.text.contains("žaba 🐸, and a little more") || bad == Bad::HostileText,
                "{bad:?} {answer:?}"
            );
        }
        _ => {}
    }
}

async fn check_all(streaming: bool) {
    let running = Running::openai().await;
    let silent = ChatLimits {
        first_token: Duration::from_millis(500),
        whole: Duration::from_millis(1_000),
        ..ChatLimits::default()
    };
    let patient = chat(ChatConfig { streaming, ..running.config() });
    let hasty = chat(ChatConfig { streaming, limits: silent, ..running.config() });
    assert!(Bad::ALL.len() >= 30, "{}", Bad::ALL.len());
    for &bad in Bad::ALL {
        running.server.behave();
        running.server.answer_badly(bad, 1);
        let is_silent = matches!(bad, Bad::Hang | Bad::HangAfterHeaders | Bad::HangMidText);
        let chat = if is_silent { &hasty } else { &patient };
        let request = question("What is there?");
        let answer = tokio::time::timeout(Duration::from_secs(25), chat.complete(&request, None)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{bad:?} never ended"));
        let found = answer.as_ref().map_or_else(LlmError::class, |answer| answer.finish.label());
        let expected = if streaming { expected(bad).0 } else { expected(bad).1 };
        assert!(expected.split(" or ").any(|end| end == found), "{bad:?}: {found}, not {expected}: {answer:?}");
        match answer {
            Ok(answer) => {
                check_answer(bad, &answer);
                running.server.script(When::any(), "Fine.");
                let next = patient.complete(&continued(&request, &answer), None).await;
                let next = next.unwrap_or_else(|error| panic!("{bad:?} cannot be sent back: {error}"));
                assert_eq!(next.text, "Fine.");
            }
            Err(error) => {
                let text = format!("{error} {error:?}");
                assert!(!text.contains(KEY) && !text.contains("sk-") && text.len() < 400, "{bad:?} {text}");
            }
        }
    }
    assert!(running.server.refused().is_empty(), "{:?}", running.server.refused().first());
}

#[tokio::test]
async fn every_bad_answer_ends_well_with_a_stream() {
    check_all(true).await;
}

#[tokio::test]
async fn every_bad_answer_ends_well_without_a_stream() {
    check_all(false).await;
}
