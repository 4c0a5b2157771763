//! Tokens before a request is made: an upper estimate without a tokenizer.
//!
//! For budgets, so it errs upwards: on the texts in the tests (prose in 12 languages, JSON, ids, code, emoji) it is never
//! below what `o200k_base` counts (OpenAI since GPT-4o), for English and JSON not below `cl100k_base` (before) either.
//! On 722 operations out of 12 OpenAPI documents it was 1.0 to 1.9 times the true count, 1.45 over all. It is a rule of
//! thumb in whole runs of characters, after what byte-pair encodings do to them:
//!
//! | run | tokens |
//! |---|---|
//! | word of ASCII letters | 1 per 6 letters begun; new words at `aB`; 1 per 4 in capitals; 1 per 3 in a text with accents |
//! | word with accented letters | 1 per 2 letters |
//! | digits | 1 per 3 |
//! | ids, base64, no vowels | 5 per 6 characters |
//! | one blank before a word | none; other white space 1 for a run of blanks, 1 per 4 with line ends |
//! | punctuation | 1 up to 3 in a row, 2 for 4, then 2 per 3 |
//! | other alphabets | 1.25 per character; CJK 1.5; rare scripts and marks 2; emoji 3.5 |

use crate::{ChatRequest, Message, Tool};

/// What a message costs besides its text: role and separators.
const PER_MESSAGE: usize = 4;
/// What a tool costs besides name, description and schema.
const PER_TOOL: usize = 10;
/// What begins the answer.
const PER_REQUEST: usize = 3;

/// Tokens of a text, estimated upwards.
pub fn text(text: &str) -> usize {
    let word = if is_accented(text) { 3 } else { 6 };
    let chars: Vec<char> = text.chars().collect();
    // In quarters of a token, so that no float is needed.
    let mut quarters = 0;
    let mut rest = &chars[..];
    while let Some(&first) = rest.first() {
        let run = |holds: fn(char) -> bool| rest.iter().take_while(|c| holds(**c)).count();
        let length = if is_word(first) {
            let length = run(is_word);
            quarters += 4 * word_tokens(&rest[..length], word);
            length
        } else if first == ' ' {
            let length = run(|c| c == ' ');
            // One blank belongs to the word after it, unless that is a number.
            let is_free = length == 1 && rest.get(1).is_some_and(|next| !next.is_ascii_digit());
            quarters += if is_free { 0 } else { 4 };
            length
        } else if first.is_ascii_control() {
            let length = run(|c| c == ' ' || c.is_ascii_control());
            quarters += 4 * length.div_ceil(4);
            length
        } else if first.is_ascii() {
            let length = run(|c| c.is_ascii_graphic() && !is_word(c));
            quarters += 4 * match length {
                0..=3 => 1,
                4 => 2,
                _ => (2 * length).div_ceil(3),
            };
            length
        } else {
            quarters += match u32::from(first) {
                0x370..0x10a0 => 5,
                0x2e80..0xe000 => 6,
                0..0x2e80 | 0xe000..0x1_0000 => 8,
                _ => 14,
            };
            1
        };
        rest = &rest[length.max(1)..];
    }
    quarters.div_ceil(4)
}

/// Tokens of one message.
pub fn message(message: &Message) -> usize {
    let inner = match message {
        Message::System { text: said } | Message::User { text: said } => text(said),
        Message::Assistant { text: said, tool_calls } => {
            let calls = tool_calls.iter();
            text(said) + calls.map(|call| text(&call.name) + text(&call.arguments) + text(&call.id) + 4).sum::<usize>()
        }
        Message::ToolResult { id, content } => text(id) + text(content),
    };
    inner + PER_MESSAGE
}

/// Tokens of one tool. Providers write schemas in forms of their own, which are shorter than this JSON.
pub fn tool(tool: &Tool) -> usize {
    text(&tool.name) + text(&tool.description) + text(&tool.parameters.to_string()) + PER_TOOL
}

/// Tokens of a whole request, tools included.
pub fn request(request: &ChatRequest) -> usize {
    request.messages.iter().map(message).sum::<usize>() + request.tools.iter().map(tool).sum::<usize>() + PER_REQUEST
}

fn is_latin(c: char) -> bool {
    matches!(u32::from(c), 0xc0..0x250 | 0x1e00..0x1f00)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || is_latin(c)
}

/// True when a tenth of the words has accents: a language whose words are made of more tokens.
fn is_accented(text: &str) -> bool {
    let (mut words, mut accented) = (0_usize, 0_usize);
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        accented += usize::from(word.chars().any(is_latin));
    }
    accented > 0 && accented * 10 >= words
}

fn word_tokens(run: &[char], word: usize) -> usize {
    let length = run.len();
    let letters = run.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let digits = run.iter().filter(|c| c.is_ascii_digit()).count();
    if letters + digits < length {
        return length.div_ceil(2);
    }
    let begins = |pair: &[char]| match pair {
        [a, b] => (a.is_ascii_lowercase() && b.is_ascii_uppercase()) || a.is_ascii_digit() != b.is_ascii_digit(),
        _ => false,
    };
    let parts = run.windows(2).filter(|pair| begins(pair)).count();
    let has_vowel = run.iter().any(|c| "aeiouyAEIOUY".contains(*c));
    let is_id = digits > 0 && letters > 0 && length >= 8;
    if letters > 0 && length > 3 && (!has_vowel || parts * 4 >= length || is_id) {
        return (5 * length).div_ceil(6);
    }
    let mut tokens = 0;
    let mut from = 0;
    for to in 1..=length {
        if to < length && !begins(&run[to - 1..=to]) {
            continue;
        }
        let per_token = match run[to - 1] {
            last if last.is_ascii_digit() => 3,
            last if last.is_ascii_uppercase() => word.min(4),
            _ => word,
        };
        tokens += (to - from).div_ceil(per_token);
        from = to;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `o200k` and `cl100k` are what js-tiktoken 1.0 counts.
    #[track_caller]
    fn check(sample: &str, o200k: usize, cl100k: usize, most: f64) {
        let estimate = text(sample);
        assert!(estimate >= o200k, "{estimate} < {o200k}: {sample}");
        let times = estimate as f64 / o200k.max(cl100k) as f64;
        assert!(times <= most, "{times} times: {sample}");
    }

    #[test]
    fn prose_of_many_languages_is_not_underestimated() {
        check(
            "Which vehicles are free tomorrow between nine and noon, and how far may I drive them without charging?",
            20,
            20,
            2.0,
        );
        check(
            "You are an assistant of a car-sharing fleet. Answer only from the results of the tools. Never invent a number, a date or an identifier; if a value is missing, ask for it in one short sentence. Every change needs the person's explicit confirmation before it is made.",
            56,
            57,
            2.0,
        );
        check(
            "Welche Fahrzeuge sind übermorgen zwischen acht und zwölf Uhr verfügbar, und wie weit darf ich ohne Zwischenladung fahren? Rechtsschutzversicherungsgesellschaften",
            28,
            46,
            2.0,
        );
        check(
            "¿Qué vehículos están disponibles mañana por la mañana? Necesito una furgoneta pequeña para llevar unas cajas al almacén de Móstoles.",
            29,
            35,
            2.0,
        );
        check(
            "Koja su vozila slobodna sutra između devet i dvanaest sati? Želio bih rezervirati najjeftinije, ali mora imati prtljažnik i dječju sjedalicu.",
            46,
            61,
            2.0,
        );
        check(
            "Какие машины свободны завтра с девяти до двенадцати часов? Мне нужна самая дешёвая, с детским креслом.",
            30,
            53,
            2.1,
        );
        check("Ποια οχήματα είναι διαθέσιμα αύριο το πρωί; Χρειάζομαι ένα μικρό φορτηγό.", 28, 67, 2.0);
        check("ما هي المركبات المتاحة غدا صباحا بين التاسعة والثانية عشرة؟ أحتاج إلى شاحنة صغيرة.", 25, 58, 2.0);
        check("אילו רכבים פנויים מחר בבוקר? אני צריך רכב קטן להובלת ארגזים.", 24, 61, 2.0);
        check("कल सुबह कौन से वाहन उपलब्ध हैं? मुझे एक छोटी वैन चाहिए।", 15, 58, 2.0);
        check("พรุ่งนี้เช้ามีรถคันไหนว่างบ้าง ฉันต้องการรถตู้คันเล็ก", 24, 45, 2.0);
        check("明天上午九点到十二点之间有哪些车辆可用?我需要一辆小型货车来运送一些箱子。", 29, 40, 2.0);
        check("明日の朝9時から12時の間に利用できる車はどれですか?荷物を運ぶための小さなバンが必要です。", 37, 48, 2.0);
        check("내일 오전 9시부터 12시까지 이용 가능한 차량은 무엇인가요? 작은 밴이 필요합니다.", 26, 41, 2.0);
        check("რომელი მანქანებია ხვალ თავისუფალი?", 10, 64, 2.0);
    }

    #[test]
    fn json_ids_and_signs_are_not_underestimated() {
        check("0198f3c2-7b1d-7a55-9c3e-5d2f8a1b6e40 4f9d0c7ab2e85516 a1b2c3d4e5f60718", 58, 58, 2.0);
        check(
            "385911000000 1234567890123456 3.14159265358979 2026-11-03T09:00:00Z 1,234,567.89 0x7fffffff",
            47,
            46,
            2.0,
        );
        check("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.c2lnbmF0dXJlLXRoYXQtaXMtbm90LW9uZQ==", 48, 52, 2.0);
        check("q83vEjRWeJq83vEjRWeJABzZ0xkMWpRWXhTb1BmTGhUdVJpWnBNcXhWY2tKbUhnTndEeUVzQW9Ya", 55, 63, 2.0);
        check("VEHICLE_RESERVATION_STATUS_UNSPECIFIED HTTP_INTERNAL_SERVER_ERROR WHATSAPP", 17, 17, 2.0);
        check("getVehicleReservationByCustomerIdAndDateRange listAllAvailableChargingStationsNearby", 15, 17, 2.0);
        check(
            "{\"type\":\"object\",\"properties\":{\"vehicle_id\":{\"type\":\"string\",\"description\":\"Id of the vehicle\"},\"from\":{\"type\":\"string\",\"format\":\"date-time\"},\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100}},\"required\":[\"vehicle_id\",\"from\"],\"additionalProperties\":false}",
            62,
            59,
            2.0,
        );
        check(
            "[{\"id\":17,\"name\":\"Alpha\",\"plate\":\"ZG-1234-AB\",\"free\":true,\"range_km\":312.5,\"next\":null},{\"id\":18,\"name\":\"Bravo\",\"plate\":\"ZG-9876-CD\",\"free\":false,\"range_km\":87.25,\"next\":\"2026-11-03T09:00:00Z\"}]",
            80,
            82,
            2.0,
        );
        check(
            "{\n    \"id\": 17,\n    \"name\": \"Alpha\",\n    \"tags\": [\n        \"small\",\n        \"electric\"\n    ]\n}\n",
            31,
            31,
            2.0,
        );
        check("fleet/GET /vehicles/{vehicle_id}/bookings?from=2026-11-03&to=2026-11-04&page_size=20", 33, 33, 2.0);
        check("\"{\\\"city\\\":\\\"Z\\u00fcrich\\\",\\\"note\\\":\\\"a\\\\nb\\\"}\"", 18, 18, 2.0);
        check(
            "!!!???...---===***###@@@$$$%%%^^^&&&((([[[{{{<<<>>>}}}]]])))~~~```|||\\\\\\///;;;:::'''\"\"\",,,",
            39,
            38,
            2.0,
        );
        check("!?.-=*#@$%^&([{<>}])~`|\\/;:'\",_+ !?.-=*#@$%^&([{<>}])", 33, 33, 2.0);
        check("a          b\n\n\n\nc\t\t\td      \n      e", 10, 10, 2.0);
        check("xqzvjk wprtl zxcvbnm qwrtpsdf hgjkl vbnmzx", 24, 24, 2.0);
        check("Z̷̢͎a̶l̸g̵o̷ t̴e̵x̶t̸", 31, 31, 2.0);
        check("👩‍👩‍👧‍👦🚗💨 ok 👍🏽👍🏽 🇩🇪🇪🇸 ❤️‍🔥", 33, 54, 2.0);
    }

    #[test]
    fn english_and_json_stay_above_the_older_encoding_too() {
        for (sample, cl100k) in [
            (
                "Which vehicles are free tomorrow between nine and noon, and how far may I drive them without charging?",
                20,
            ),
            (
                "You are an assistant of a car-sharing fleet. Answer only from the results of the tools. Never invent a number, a date or an identifier; if a value is missing, ask for it in one short sentence. Every change needs the person's explicit confirmation before it is made.",
                57,
            ),
            (
                "{\"type\":\"object\",\"properties\":{\"vehicle_id\":{\"type\":\"string\",\"description\":\"Id of the vehicle\"},\"from\":{\"type\":\"string\",\"format\":\"date-time\"},\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100}},\"required\":[\"vehicle_id\",\"from\"],\"additionalProperties\":false}",
                59,
            ),
            (
                "[{\"id\":17,\"name\":\"Alpha\",\"plate\":\"ZG-1234-AB\",\"free\":true,\"range_km\":312.5,\"next\":null},{\"id\":18,\"name\":\"Bravo\",\"plate\":\"ZG-9876-CD\",\"free\":false,\"range_km\":87.25,\"next\":\"2026-11-03T09:00:00Z\"}]",
                82,
            ),
            (
                "{\n    \"id\": 17,\n    \"name\": \"Alpha\",\n    \"tags\": [\n        \"small\",\n        \"electric\"\n    ]\n}\n",
                31,
            ),
            ("0198f3c2-7b1d-7a55-9c3e-5d2f8a1b6e40 4f9d0c7ab2e85516 a1b2c3d4e5f60718", 58),
        ] {
            assert!(text(sample) >= cl100k, "{sample}");
        }
    }

    proptest! {
        #[test]
        fn more_text_never_costs_less_than_its_parts_roughly(a in "[a-z ]{0,60}", b in "[a-z ]{0,60}") {
            let joined = text(&format!("{a}. {b}"));
            prop_assert!(joined + 2 >= text(&a).max(text(&b)));
        }

        #[test]
        fn no_text_makes_it_panic_or_exceed_four_for_each_character(sample in "\\PC{0,200}") {
            prop_assert!(text(&sample) <= 4 * sample.chars().count() + 1);
        }
    }
}
