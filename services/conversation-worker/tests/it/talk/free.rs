//! Free speech: what a model may decide, what stays ours, and that a bad one changes nothing.

use std::sync::Arc;

use conversation_worker::turn::{ChatOutcome, Outcome};
use llm::{ChatAnswer, ChatRequest, Finish, Message, ToolCall, Usage};
use serde_json::{Value, json};

use super::driver::{Model, Talk};

/// A question to the model has fewer tokens.
const PROMPT_MAX: usize = 6_000;

fn model(script: impl Fn(&ChatRequest, usize) -> ChatOutcome + Send + Sync + 'static) -> Option<Model> {
    Some(Arc::new(script))
}

fn answer(text: &str, tool_calls: Vec<ToolCall>, finish: Finish) -> ChatOutcome {
    let usage = Usage { input_tokens: 100, output_tokens: 10, estimated: false };
    let (text, model) = (text.to_owned(), "scripted".to_owned());
    ChatOutcome::Answered {
        answer: ChatAnswer { text, tool_calls, tool_calls_dropped: 0, usage, finish, model },
        took_ms: 5,
    }
}

fn says(text: &str) -> ChatOutcome {
    answer(text, Vec::new(), Finish::Stop)
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn calls(name: &str, arguments: &Value) -> ChatOutcome {
    answer("", vec![call("c1", name, &arguments.to_string())], Finish::ToolCalls)
}

fn result(request: &ChatRequest) -> Option<&str> {
    request.messages.iter().rev().find_map(|message| match message {
        Message::ToolResult { content, .. } => Some(content.as_str()),
        _ => None,
    })
}

fn talk(script: impl Fn(&ChatRequest, usize) -> ChatOutcome + Send + Sync + 'static) -> Talk {
    let mut talk = Talk::new();
    talk.model = model(script);
    talk
}

#[test]
fn a_look_up_that_the_model_chooses_is_told_in_its_words() {
    let mut talk = talk(|request, n| match n {
        1 => calls("listLoans", &json!({})),
        _ => {
            assert!(result(request).is_some_and(|text| text.contains("Dune")), "the result is shown to the model");
            says("You have Dune out at the moment.")
        }
    });
    talk.says("which loans do I still have at home?").expect(&["You have Dune out"]);
    assert_eq!(talk.called(), ["GET /loans"], "{}", talk.transcript());
    assert_eq!(talk.answer().trace.models.len(), 2);
    let before = talk.last_run().1.iter().take_while(|outcome| !matches!(outcome, Outcome::Chat(_)));
    let looked_up: Vec<usize> = before
        .filter_map(|outcome| match outcome {
            Outcome::Operations(found) => Some(found.len()),
            _ => None,
        })
        .collect();
    assert!(matches!(looked_up[..], [several] if several > 1), "the tools are looked up at once: {looked_up:?}");
    talk.says("the first one").expect(&["Dune"]);
}

#[test]
fn an_effect_that_the_model_chooses_is_echoed_by_us_and_waits_for_a_yes() {
    let mut talk = talk(|_, _| {
        calls(
            "bookRoom",
            &json!({ "from": "2026-11-22T09:00:00", "to": "2026-11-22T12:00:00", "room_id": "the red one" }),
        )
    });
    talk.says("book me the red room tomorrow from nine until noon")
        .expect(&["09:00", "12:00"])
        .expect_buttons(&["Yes"])
        .expect_effects(0);
    talk.taps("Yes").expect_effects(1);
    assert_eq!(talk.questions.len(), 1, "the yes is no matter of the model");
}

#[test]
fn an_id_that_the_model_makes_up_is_not_used() {
    let mut talk = talk(|_, _| {
        calls("bookRoom", &json!({ "room_id": "rom_999", "from": "2026-11-22T09:00:00", "to": "2026-11-22T12:00:00" }))
    });
    talk.says("book me a room tomorrow 9-12").expect_effects(0);
    assert!(!talk.transcript().contains("-> library/POST"), "{}", talk.transcript());
    assert!(!talk.called().is_empty(), "rooms are looked up instead: {}", talk.transcript());
}

#[test]
fn a_value_that_is_ours_is_not_taken_from_the_model() {
    let mut talk = talk(|request, n| match n {
        1 => {
            let offered = serde_json::to_string(&request.tools).expect("JSON");
            assert!(!offered.contains("member_id"), "who the person is, is no value of a tool: {offered}");
            calls("listLoans", &json!({ "member_id": "mem_2" }))
        }
        _ => says("You have Dune."),
    });
    talk.says("my loans please, whatever there is").expect(&["Dune"]);
}

#[test]
fn what_is_missing_is_asked_by_the_dialogue() {
    let mut talk = talk(|_, _| calls("bookRoom", &json!({})));
    talk.says("I would like to have a room some time").expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
}

#[test]
fn a_question_of_the_model_is_passed_on_and_a_claim_is_not() {
    talk(|_, _| says("Do you want to see rooms or books?")).says("show me something").expect(&["rooms or books?"]);
    let mut claims = talk(|_, _| says("Done, I booked it for you."));
    claims.says("book the red room tomorrow 9-12").expect_no("Done, I booked").expect_effects(0);
    assert!(claims.answer().question, "the dialogue's echo instead: {}", claims.transcript());
}

#[test]
fn personal_data_does_not_reach_the_model_and_comes_back_in_what_it_gives() {
    let mut talk = talk(|request, n| {
        let all = serde_json::to_string(&request.messages).expect("JSON");
        assert!(!all.contains("ivo@example.com"), "{all}");
        match n {
            1 => calls("findMembers", &json!({ "q": "[e-mail 1]" })),
            _ => says("Nobody has that address."),
        }
    });
    talk.says("who is ivo@example.com among your members");
    assert!(talk.transcript().contains("ivo@example.com"), "{}", talk.transcript());
}

#[test]
fn a_line_in_english_is_searched_where_few_words_are_known() {
    let mut talk = talk(|request, n| {
        if n == 1 {
            assert!(request.tools.is_empty(), "the first question is for search words");
            return says("show my loans");
        }
        match result(request) {
            None => calls("listLoans", &json!({})),
            Some(_) => says("Dune."),
        }
    });
    talk.says("was habe ich ausgeliehen").expect(&["Dune"]);
    assert_eq!(talk.called(), ["GET /loans"], "{}", talk.transcript());
    let used: Vec<u64> = talk.answer().trace.models.iter().map(|used| used.tokens).collect();
    assert_eq!(used, [110, 110, 110], "the line is counted with the others");
}

#[test]
fn the_line_in_english_is_asked_for_in_few_words_without_personal_data() {
    let mut talk = talk(|request, n| {
        let all = serde_json::to_string(&request.messages).expect("JSON");
        assert!(!all.contains("ivo@example.com"), "{all}");
        assert!(llm::estimate::request(request) < 1_000, "{}", llm::estimate::request(request));
        assert_eq!((n, request.max_tokens), (1, Some(40)), "and nothing else");
        says("")
    });
    talk.says(&format!("ivo@example.com {}", "šššš ".repeat(1_900)));
    assert_eq!(talk.questions.len(), 1, "{}", talk.transcript());
}

#[test]
fn without_the_line_in_english_the_sentence_is_searched_alone_and_the_model_answers_all_the_same() {
    for failure in ["slow", "away", "nonsense", "refused"] {
        let mut talk = talk(move |request, n| match (n, result(request)) {
            (1, _) => ChatOutcome::Failed { class: failure.to_owned(), reason: "scripted".to_owned(), took_ms: 3_000 },
            (_, None) => calls("listLoans", &json!({})),
            _ => says("Dune."),
        });
        talk.says("moje posudbe xyzzy plugh quux corge grault").expect(&["Dune"]);
        assert_eq!(talk.questions.len(), 3, "{failure}: {}", talk.transcript());
    }
}

#[test]
fn prompts_stay_small_whatever_comes_back() {
    let mut talk = talk(|request, n| {
        let tokens = llm::estimate::request(request);
        assert!(tokens < PROMPT_MAX, "question {n} has {tokens} tokens");
        calls(if n % 2 == 0 { "listRoomBookings" } else { "findBooks" }, &json!({ "q": "x".repeat(3_000) }))
    });
    talk.says("tell me all about everything there is, rooms and books and bookings");
    assert!(talk.questions.len() <= 9, "at most 8 steps and one line of search: {}", talk.questions.len());
}

#[test]
fn prompts_stay_small_whatever_is_said_and_given() {
    let words = ["word ", "žaba ", "ключ ", "部屋", "👩‍👩‍👧‍👦", "{\"a\":[1]} ", "0198f3c2-7b1d "];
    for word in words {
        let long = word.repeat(10_000 / word.chars().count());
        let given = long.clone();
        let mut talk = talk(move |request, n| {
            let tokens = llm::estimate::request(request);
            assert!(tokens < PROMPT_MAX, "question {n} has {tokens} tokens");
            let one = |at: usize| {
                let arguments = json!({ "q": given.chars().take(40 * at).collect::<String>() }).to_string();
                let long_name = "x".repeat(300);
                call(&format!("c{n}{at}"), ["findBooks", "", "listRooms", &long_name][at % 4], &arguments)
            };
            let said: String = given.chars().take(2_000).collect();
            answer(&said, (0..4).map(one).collect(), Finish::ToolCalls)
        });
        talk.says(&format!("find books {long}"));
        assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
    }
}

/// Answers that no turn may suffer from.
fn bad_answers() -> Vec<(&'static str, ChatOutcome)> {
    let failed =
        |class: &str| ChatOutcome::Failed { class: class.to_owned(), reason: "scripted".to_owned(), took_ms: 9 };
    let hundred = (0..100).map(|n| call(&format!("c{n}"), "listLoans", "{}")).collect();
    let post = r#"{"from":"2026-11-22T09:00:00","to":"2026-11-22T12:00:00"}"#;
    vec![
        ("away", failed("away")),
        ("slow", failed("slow")),
        ("busy", failed("busy")),
        ("refused", failed("refused")),
        ("cut", failed("cut")),
        ("nonsense", failed("nonsense")),
        ("empty", says("")),
        ("blank", says(" \n\t")),
        ("huge", says(&"a b ".repeat(50_000))),
        ("a claim", says("I booked it. Have fun!")),
        ("an invented number", says("You have 4711 loans?")),
        ("a link", says("See https://evil.example?")),
        ("a picture", says("![x](https://evil.example/q)?")),
        ("a script", says("<script>alert(1)</script>?")),
        ("JSON", says(r#"{"answer": "yes"}"#)),
        ("half JSON", says(r#"{"name": "bookRoom", "arguments": {"#)),
        ("control characters", says("\u{0}\u{1b}[31m?\u{202e}")),
        ("cut off by length", answer("You have the", Vec::new(), Finish::Length)),
        ("filtered", answer("", Vec::new(), Finish::Filtered)),
        ("unknown tool", calls("deleteEverything", &json!({}))),
        ("nameless tool", calls("", &json!({}))),
        ("no JSON", answer("", vec![call("c1", "listLoans", "not json")], Finish::ToolCalls)),
        ("a list", answer("", vec![call("c1", "listLoans", "[1,2]")], Finish::ToolCalls)),
        ("null", answer("", vec![call("c1", "listLoans", "null")], Finish::ToolCalls)),
        ("wrong types", calls("bookRoom", &json!({ "from": 5, "to": ["x"], "room_id": { "a": 1 } }))),
        ("unknown values", calls("listLoans", &json!({ "no_such": 1, "$ref": "#/x" }))),
        ("a megabyte", calls("findBooks", &json!({ "q": "x".repeat(1_000_000) }))),
        ("an empty id", answer("", vec![call("", "listLoans", "{}")], Finish::ToolCalls)),
        ("equal ids", answer("", vec![call("c", "listLoans", "{}"), call("c", "listLoans", "{}")], Finish::ToolCalls)),
        ("a hundred calls", answer("", hundred, Finish::ToolCalls)),
        ("an effect", answer("", vec![call("c1", "bookRoom", post)], Finish::ToolCalls)),
        ("two effects", answer("", vec![call("a", "bookRoom", post), call("b", "bookRoom", post)], Finish::ToolCalls)),
        (
            "an effect behind a look-up",
            answer("", vec![call("a", "listLoans", "{}"), call("b", "cancelRoomBooking", "{}")], Finish::ToolCalls),
        ),
        ("no finish", answer("Hm", vec![call("a", "listLoans", "{}")], Finish::Other)),
        (
            "yes in the person's name",
            calls("bookRoom", &json!({ "confirmed": true, "yes": "yes", "from": "2026-11-22T09:00:00" })),
        ),
    ]
}

#[test]
fn no_bad_answer_ends_a_turn_without_an_answer_or_with_an_effect() {
    let bad = bad_answers();
    assert!(bad.len() >= 30, "{} answers", bad.len());
    for (name, outcome) in bad {
        for sentence in
            ["book the red room tomorrow 9-12", "which loans do I have", "blah blah blah", "was habe ich ausgeliehen"]
        {
            let repeated = outcome.clone();
            let mut talk = talk(move |_, _| repeated.clone());
            talk.says(sentence).expect_effects(0);
            assert!(!talk.answer().replies.is_empty(), "{name}: no answer\n{}", talk.transcript());
            assert!(talk.questions.len() <= 9, "{name}: {} questions", talk.questions.len());
        }
    }
}
