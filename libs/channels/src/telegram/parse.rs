//! Telegram's updates, one to a body.
//!
//! Source: core.telegram.org/bots/api, version 10.1.

use domain::{Account, Contact, Content, Incoming, Micros, Tenant};
use serde_json::{Map, Value};

use super::{NAME, address::Address};
use crate::{
    ParseError, Parsed,
    fields::{degrees, event, is_phone, items, label, unparsed},
    json::{self, clean, text},
};

/// Takes an update apart.
///
/// # Errors
/// [`ParseError`] when the body is not JSON or too deep.
pub(super) fn parse(tenant: &Tenant, account: &Account, body: &[u8]) -> Result<Parsed, ParseError> {
    let body = json::read(body)?;
    let mut parsed = Parsed::default();
    let known = body.get("update_id").is_some_and(Value::is_i64);
    let Some((kind, part)) = known.then(|| kind_of(&body)).flatten() else {
        parsed.unknown.push(unparsed("an update without content", &body));
        return Ok(parsed);
    };
    let to = To { tenant, account, update: body.get("update_id").map(Value::to_string).unwrap_or_default() };
    let read = match kind {
        "message" => message(&to, part),
        // Without a time of it nobody edited: a reaction, a link's picture, or nothing that a bot can see has changed.
        "edited_message" if seconds(part.get("edit_date")).is_none() => {
            parsed.events.push(event("edited_message", &body));
            return Ok(parsed);
        }
        "edited_message" => edited(&to, part),
        "callback_query" => callback(&to, part),
        "message_reaction" => reaction(&to, part),
        "my_chat_member" => membership(&to, part),
        kind => {
            parsed.events.push(event(kind, &body));
            return Ok(parsed);
        }
    };
    match read {
        Some(incoming) => parsed.messages.push(incoming),
        None => parsed.unknown.push(unparsed(&format!("{kind} without sender or chat"), &body)),
    }
    Ok(parsed)
}

/// The one field beside `update_id`.
fn kind_of(update: &Value) -> Option<(&str, &Value)> {
    let mut fields = update.as_object()?.iter().filter(|(key, value)| *key != "update_id" && value.is_object());
    fields.next().map(|(key, value)| (key.as_str(), value))
}

struct To<'a> {
    tenant: &'a Tenant,
    account: &'a Account,
    update: String,
}

impl To<'_> {
    fn incoming(&self, address: &Address, from: &Value, id: String, content: Content) -> Option<Incoming> {
        // Of a chat that writes as itself the title.
        let name = ["first_name", "last_name", "title"].map(|part| text(from.get(part)));
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Some(Incoming {
            tenant: self.tenant.clone(),
            account: self.account.clone(),
            peer: address.peer(),
            // Behind a chat that writes as itself may be anybody: each of its messages is by a person of its own, so that
            // nobody's question is answered by somebody else.
            user: match from.get("title") {
                Some(_) => format!("{}/{id}", from.get("id")?.as_i64()?),
                None => from.get("id")?.as_i64()?.to_string(),
            },
            provider: NAME.to_owned(),
            provider_message_id: id,
            written_at: None,
            contact_name: Some(label(&name)).filter(|name| !name.is_empty()),
            phone: None,
            quoted: None,
            content,
            traceparent: None,
        })
    }
}

fn message(to: &To<'_>, message: &Value) -> Option<Incoming> {
    let (address, number) = placed(message)?;
    let id = address.message(number);
    let incoming = to.incoming(&address, sender(message)?, id, content(message))?;
    let (written_at, phone) = (seconds(message.get("date")), own_number(message));
    let incoming = Incoming { written_at, phone, quoted: quoted(&address, message), ..incoming };
    Some(match message.get("migrate_from_chat_id").and_then(Value::as_i64) {
        // The same is told in both chats, and either may come first: both are about the old one.
        Some(old) => Incoming {
            peer: Address { chat: old, thread: None }.peer(),
            content: Content::Moved { kind: "migrate_from_chat_id".to_owned(), to: address.peer() },
            ..incoming
        },
        None => incoming,
    })
}

/// The number of whoever shares their own contact: the platform vouches for it by their id.
fn own_number(message: &Value) -> Option<String> {
    let (contact, from) = (message.get("contact")?, message.pointer("/from/id")?.as_i64()?);
    let own = contact.get("user_id")?.as_i64()? == from && message.get("forward_origin").is_none();
    let digits: String = text(contact.get("phone_number"))?.chars().filter(char::is_ascii_digit).collect();
    Some(digits).filter(|digits| own && is_phone(digits))
}

fn edited(to: &To<'_>, message: &Value) -> Option<Incoming> {
    let (address, number) = placed(message)?;
    let content = match content(message) {
        // Whoever shares where they are as they go says nothing anew with each step.
        Content::Location { .. } => Content::Notice { kind: "live_location".to_owned(), text: None },
        content => Content::Edit { of: address.message(number), content: Box::new(content) },
    };
    let incoming = to.incoming(&address, sender(message)?, format!("edit/{}", to.update), content)?;
    Some(Incoming { written_at: seconds(message.get("edit_date")), quoted: quoted(&address, message), ..incoming })
}

/// A button under a message of ours. That message may be too old for the platform to show; then the chat is the one of
/// two.
fn callback(to: &To<'_>, query: &Value) -> Option<Incoming> {
    let from = query.get("from")?;
    let message = query.get("message").filter(|message| message.is_object());
    let (address, number) = match message {
        Some(message) => {
            let (address, number) = placed(message)?;
            (address, Some(number))
        }
        None => (Address { chat: from.get("id")?.as_i64()?, thread: None }, None),
    };
    let id = text(query.get("id")).filter(|id| id.len() <= 100 && !id.contains('/'))?;
    let content = match text(query.get("data")) {
        Some(data) => Content::Choice { title: title(message, &data).unwrap_or_else(|| data.clone()), id: data },
        None => Content::Other { kind: "game".to_owned() },
    };
    let quoted = number.map(|number| address.message(number));
    let key = match &quoted {
        Some(message) => format!("callback/{id}/{message}"),
        None => format!("callback/{id}"),
    };
    Some(Incoming { quoted, ..to.incoming(&address, from, key, content)? })
}

/// What stands on the button.
fn title(message: Option<&Value>, data: &str) -> Option<String> {
    let rows = items(message?.pointer("/reply_markup/inline_keyboard"));
    let mut buttons = rows.flat_map(|row| items(Some(row)));
    let button = buttons.find(|button| button.get("callback_data").and_then(Value::as_str) == Some(data))?;
    text(button.get("text"))
}

fn reaction(to: &To<'_>, part: &Value) -> Option<Incoming> {
    let (address, number) = placed(part)?;
    let emoji =
        items(part.get("new_reaction")).find_map(|one| text(one.get("emoji")).or_else(|| text(one.get("type"))));
    let content = Content::Reaction { of: address.message(number), emoji };
    // A channel or an anonymous administrator reacts as a chat.
    let from = part.get("user").or_else(|| part.get("actor_chat"))?;
    let incoming = to.incoming(&address, from, format!("reaction/{}", to.update), content)?;
    Some(Incoming { written_at: seconds(part.get("date")), ..incoming })
}

/// The bot was blocked, let in again, or put into a group.
fn membership(to: &To<'_>, part: &Value) -> Option<Incoming> {
    let address = Address { chat: part.pointer("/chat/id")?.as_i64()?, thread: None };
    let status = text(part.pointer("/new_chat_member/status")).unwrap_or_else(|| "unknown".to_owned());
    let content = Content::Notice { kind: format!("my_chat_member.{}", label(&status)), text: None };
    let incoming = to.incoming(&address, part.get("from")?, format!("member/{}", to.update), content)?;
    Some(Incoming { written_at: seconds(part.get("date")), ..incoming })
}

/// Chat, topic and number of a message.
fn placed(message: &Value) -> Option<(Address, i64)> {
    let topic = message.get("is_topic_message") == Some(&Value::Bool(true));
    let thread = topic.then(|| message.get("message_thread_id")?.as_i64()).flatten();
    let address = Address { chat: message.pointer("/chat/id")?.as_i64()?, thread };
    Some((address, message.get("message_id")?.as_i64()?))
}

/// Who wrote. A group or channel that writes as itself is the chat: beside it stands a made-up user, the same for all of
/// them.
fn sender(message: &Value) -> Option<&Value> {
    ["sender_chat", "from", "chat"].into_iter().find_map(|who| message.get(who).filter(|who| who.is_object()))
}

/// The quoted message; a topic's first message is no quote.
fn quoted(address: &Address, message: &Value) -> Option<String> {
    let replied = message.get("reply_to_message")?;
    let topic = replied.get("forum_topic_created").is_some();
    replied.get("message_id")?.as_i64().filter(|_| !topic).map(|number| address.message(number))
}

/// Contents that a person sends and no dialogue reads.
const UNREAD: [&str; 11] = [
    "dice",
    "poll",
    "game",
    "story",
    "invoice",
    "giveaway",
    "giveaway_winners",
    "paid_media",
    "checklist",
    "rich_message",
    "passport_data",
];

/// Fields of a message that are none of its content.
const FRAME: [&str; 49] = [
    "message_id",
    "message_thread_id",
    "direct_messages_topic",
    "from",
    "sender_chat",
    "sender_boost_count",
    "sender_business_bot",
    "sender_tag",
    "date",
    "business_connection_id",
    "chat",
    "forward_origin",
    "forward_from",
    "forward_from_chat",
    "forward_from_message_id",
    "forward_signature",
    "forward_sender_name",
    "forward_date",
    "is_topic_message",
    "is_automatic_forward",
    "reply_to_message",
    "external_reply",
    "quote",
    "reply_to_story",
    "reply_to_checklist_task_id",
    "reply_to_poll_option_id",
    "via_bot",
    "edit_date",
    "has_protected_content",
    "has_media_spoiler",
    "is_from_offline",
    "is_paid_post",
    "media_group_id",
    "author_signature",
    "paid_star_count",
    "entities",
    "link_preview_options",
    "suggested_post_info",
    "effect_id",
    "caption",
    "caption_entities",
    "show_caption_above_media",
    "reply_markup",
    "guest_query_id",
    "guest_bot_caller_user",
    "guest_bot_caller_chat",
    // Older names beside new_chat_members and left_chat_member.
    "new_chat_participant",
    "new_chat_member",
    "left_chat_participant",
];

/// What a message says.
fn content(message: &Value) -> Content {
    let Some(fields) = message.as_object() else { return Content::Unknown { kind: "untyped".to_owned() } };
    if let Some(Value::String(words)) = fields.get("text") {
        return Content::Text { text: without_name(&clean(words), message) };
    }
    media(fields).or_else(|| place(fields)).or_else(|| shared(fields)).unwrap_or_else(|| other(fields))
}

/// A command in a group names the bot: `/start@name`.
fn without_name(words: &str, message: &Value) -> String {
    let command = items(message.get("entities")).any(|entity| {
        entity.get("type").and_then(Value::as_str) == Some("bot_command")
            && entity.get("offset").and_then(Value::as_u64) == Some(0)
    });
    let end = words.find(char::is_whitespace).unwrap_or(words.len());
    match words[..end].find('@').filter(|_| command) {
        Some(at) => format!("{}{}", &words[..at], &words[end..]),
        None => words.to_owned(),
    }
}

fn media(fields: &Map<String, Value>) -> Option<Content> {
    // An animation comes as a document as well.
    let kinds = [
        ("animation", "video"),
        ("photo", "image"),
        ("voice", "voice"),
        ("audio", "audio"),
        ("video", "video"),
        ("video_note", "video"),
        ("sticker", "sticker"),
        ("document", "document"),
    ];
    let (part, media) = kinds.iter().find_map(|(field, media)| Some((fields.get(*field)?, *media)))?;
    // Of a photo there are several sizes, in no order that the platform promises.
    let file = part.as_array().map_or(Some(part), |sizes| sizes.iter().max_by_key(area));
    Some(Content::Media {
        media: media.to_owned(),
        url: file.and_then(|file| text(file.get("file_id"))),
        caption: text(fields.get("caption")),
    })
}

/// In pixels.
fn area(size: &&Value) -> u64 {
    let side = |name: &str| size.get(name).and_then(Value::as_u64).unwrap_or(0).min(1 << 31);
    side("width") * side("height")
}

fn place(fields: &Map<String, Value>) -> Option<Content> {
    let venue = fields.get("venue");
    let location = venue.and_then(|venue| venue.get("location")).or_else(|| fields.get("location"))?;
    Some(Content::Location {
        latitude: degrees(location.get("latitude"), 90.0)?,
        longitude: degrees(location.get("longitude"), 180.0)?,
        name: venue.and_then(|venue| text(venue.get("title")).or_else(|| text(venue.get("address")))),
    })
}

fn shared(fields: &Map<String, Value>) -> Option<Content> {
    let name = |part: &Value| {
        let names = [text(part.get("first_name")), text(part.get("last_name"))];
        label(&names.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    if let Some(contact) = fields.get("contact") {
        let phones = text(contact.get("phone_number")).into_iter().collect();
        return Some(Content::Contacts { contacts: vec![Contact { name: name(contact), phones }] });
    }
    if let Some(users) = fields.get("users_shared") {
        let contact = |user: &Value| Contact { name: name(user), phones: Vec::new() };
        return Some(Content::Contacts { contacts: items(users.get("users")).map(contact).take(100).collect() });
    }
    let data = text(fields.get("web_app_data")?.get("data"))?;
    Some(Content::Form { fields: json::written(data) })
}

/// What nobody said, by its own name; what somebody said that is not read; what is new to us.
fn other(fields: &Map<String, Value>) -> Content {
    let unread = UNREAD.iter().find(|kind| fields.contains_key(**kind));
    if let Some(kind) = unread {
        return Content::Other { kind: (*kind).to_owned() };
    }
    // A group that became a supergroup; it has no topics yet.
    if let Some(chat) = fields.get("migrate_to_chat_id").and_then(Value::as_i64) {
        return Content::Moved { kind: "migrate_to_chat_id".to_owned(), to: Address { chat, thread: None }.peer() };
    }
    match fields.keys().find(|key| !FRAME.contains(&key.as_str())) {
        Some(kind) => Content::Notice { kind: label(kind), text: None },
        None => Content::Unknown { kind: "untyped".to_owned() },
    }
}

/// Seconds since 1970; 0 stands for a message that the platform does not show any more.
fn seconds(value: Option<&Value>) -> Option<Micros> {
    let seconds = value?.as_i64().filter(|seconds| (1..=253_402_300_799).contains(seconds))?;
    Some(Micros(seconds * 1_000_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(update: &Value) -> Parsed {
        let tenant = Tenant::new("default").expect("a name");
        parse(&tenant, &"telegram:main".parse().expect("an account"), update.to_string().as_bytes()).expect("readable")
    }

    fn message(part: Value) -> Incoming {
        let mut message = json!({
            "message_id": 5, "date": 1_668_633_998, "chat": {"id": 42, "type": "private"},
            "from": {"id": 42, "is_bot": false, "first_name": "Ana", "last_name": "Horvat"},
        });
        message.as_object_mut().expect("an object").extend(part.as_object().expect("an object").clone());
        let mut parsed = read(&json!({"update_id": 7, "message": message}));
        assert_eq!(parsed.count(), 1, "{parsed:?}");
        parsed.messages.remove(0)
    }

    #[test]
    fn who_wrote_what_where_and_when() {
        let said = message(json!({"text": "Hello\u{0} there"}));
        assert_eq!(said.content, Content::Text { text: "Hello there".to_owned() });
        assert_eq!((said.peer.as_str(), said.user.as_str()), ("42", "42"));
        assert_eq!((said.provider_message_id.as_str(), said.contact_name.as_deref()), ("42/5", Some("Ana Horvat")));
        assert_eq!(said.written_at, Some(Micros(1_668_633_998_000_000)));
        let quoting = message(json!({"text": "x", "reply_to_message": {"message_id": 3}}));
        assert_eq!(quoting.quoted.as_deref(), Some("42/3"));
    }

    #[test]
    fn a_topic_is_a_chat_of_its_own_and_its_first_message_no_quote() {
        let said = message(json!({
            "text": "x", "chat": {"id": -100, "type": "supergroup"}, "is_topic_message": true, "message_thread_id": 33,
            "reply_to_message": {"message_id": 33, "forum_topic_created": {"name": "Rooms"}},
        }));
        assert_eq!((said.peer.as_str(), said.user.as_str(), said.quoted), ("-100#33", "42", None));
        assert_eq!(said.provider_message_id, "-100/5");
    }

    #[test]
    fn a_command_loses_the_bots_name_and_nothing_else_does() {
        let command = |text: &str, length: usize| {
            let entities = json!([{"type": "bot_command", "offset": 0, "length": length}]);
            message(json!({"text": text, "entities": entities})).content
        };
        let text = |text: &str| Content::Text { text: text.to_owned() };
        assert_eq!(command("/start@oak_bot now", 14), text("/start now"));
        assert_eq!(command("/start", 6), text("/start"));
        assert_eq!(message(json!({"text": "a@b.example"})).content, text("a@b.example"));
    }

    #[test]
    fn the_largest_photo_counts_and_an_animation_is_a_video() {
        let media = |media: &str, file: &str, caption: Option<&str>| Content::Media {
            media: media.to_owned(),
            url: Some(file.to_owned()),
            caption: caption.map(str::to_owned),
        };
        let sizes = json!([{"file_id": "s", "width": 90}, {"file_id": "l", "width": 1280}]);
        assert_eq!(message(json!({"photo": sizes, "caption": "door"})).content, media("image", "l", Some("door")));
        let both = json!({"animation": {"file_id": "a"}, "document": {"file_id": "a"}});
        assert_eq!(message(both).content, media("video", "a", None));
        assert_eq!(message(json!({"voice": {"file_id": "v", "duration": 2}})).content, media("voice", "v", None));
    }

    #[test]
    fn a_button_is_a_choice_with_the_words_on_it() {
        let query = |part: Value| {
            let mut query = json!({"id": "q1", "from": {"id": 42, "first_name": "Ana"}, "data": "yes-1"});
            query.as_object_mut().expect("an object").extend(part.as_object().expect("an object").clone());
            read(&json!({"update_id": 8, "callback_query": query})).messages.remove(0)
        };
        let keyboard = json!([[{"text": "No", "callback_data": "no-1"}], [{"text": "Yes", "callback_data": "yes-1"}]]);
        let under = json!({"message": {
            "message_id": 9, "date": 0, "chat": {"id": 42, "type": "private"}, "reply_markup": {"inline_keyboard": keyboard},
        }});
        let tapped = query(under);
        assert_eq!(tapped.content, Content::Choice { id: "yes-1".to_owned(), title: "Yes".to_owned() });
        assert_eq!((tapped.provider_message_id.as_str(), tapped.quoted.as_deref()), ("callback/q1/42/9", Some("42/9")));
        let gone = query(json!({"message": null}));
        assert_eq!((gone.peer.as_str(), gone.provider_message_id.as_str(), gone.quoted), ("42", "callback/q1", None));
    }

    #[test]
    fn only_ones_own_contact_tells_ones_number() {
        let number = |contact: Value| message(json!({"contact": contact})).phone;
        let own = json!({"phone_number": "+385 91 000 0001", "first_name": "Ana", "user_id": 42});
        assert_eq!(number(own.clone()).as_deref(), Some("385910000001"));
        assert_eq!(number(json!({"phone_number": "385910000001", "first_name": "Ivo", "user_id": 43})), None);
        assert_eq!(number(json!({"phone_number": "385910000001", "first_name": "Ivo"})), None);
        let forwarded = message(json!({"contact": own, "forward_origin": {"type": "user"}}));
        assert_eq!(forwarded.phone, None, "somebody else may have shared it");
    }

    #[test]
    fn an_edit_names_what_it_edits() {
        let edited = json!({
            "message_id": 5, "date": 1, "edit_date": 2, "chat": {"id": 42}, "from": {"id": 42}, "text": "tomorrow",
        });
        let parsed = read(&json!({"update_id": 9, "edited_message": edited}));
        let content = Box::new(Content::Text { text: "tomorrow".to_owned() });
        assert_eq!(parsed.messages[0].content, Content::Edit { of: "42/5".to_owned(), content });
        assert_eq!(parsed.messages[0].provider_message_id, "edit/9");
        assert_eq!(parsed.messages[0].written_at, Some(Micros(2_000_000)));
    }

    #[test]
    fn what_nobody_said_is_a_notice_and_what_is_no_persons_an_event() {
        let notice = |kind: &str| Content::Notice { kind: kind.to_owned(), text: None };
        assert_eq!(message(json!({"new_chat_title": "Oak"})).content, notice("new_chat_title"));
        assert_eq!(message(json!({"something_new": {"a": 1}})).content, notice("something_new"));
        assert_eq!(message(json!({"dice": {"value": 4}})).content, Content::Other { kind: "dice".to_owned() });
        assert_eq!(message(json!({})).content, Content::Unknown { kind: "untyped".to_owned() });
        let blocked =
            json!({"chat": {"id": 42}, "from": {"id": 42}, "date": 1, "new_chat_member": {"status": "kicked"}});
        let blocked = read(&json!({"update_id": 1, "my_chat_member": blocked}));
        assert_eq!(blocked.messages[0].content, notice("my_chat_member.kicked"));
        let parsed = read(&json!({"update_id": 1, "poll_answer": {"poll_id": "1"}}));
        assert_eq!((parsed.count(), parsed.events[0].kind.as_str()), (1, "poll_answer"));
    }

    #[test]
    fn a_body_without_content_or_sender_is_kept_as_unknown() {
        for body in [
            json!({}),
            json!({"update_id": 1}),
            json!({"update_id": "1", "message": {}}),
            json!({"update_id": 1, "message": {}}),
            json!({"update_id": 1, "message": {"message_id": 5, "chat": {"id": "42"}, "text": "x"}}),
            json!({"update_id": 1, "callback_query": {"id": "a/b", "from": {"id": 1}, "data": "x"}}),
            json!([1]),
        ] {
            let parsed = read(&body);
            assert_eq!((parsed.count(), parsed.unknown.len()), (1, 1), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let tenant = Tenant::new("default").expect("a name");
            let _ = parse(&tenant, &"telegram:main".parse().expect("an account"), &body);
        }
    }
}
