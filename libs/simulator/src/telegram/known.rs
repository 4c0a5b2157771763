//! The methods there are, and their parameters as Bot API 10.1 names them.

/// What every method that sends takes.
const SEND: &[&str] = &[
    "business_connection_id",
    "chat_id",
    "message_thread_id",
    "direct_messages_topic_id",
    "disable_notification",
    "protect_content",
    "allow_paid_broadcast",
    "message_effect_id",
    "suggested_post_parameters",
    "reply_parameters",
    "reply_markup",
];

const METHODS: &[(&str, &[&[&str]])] = &[
    ("getMe", &[]),
    ("sendMessage", &[SEND, &["text", "parse_mode", "entities", "link_preview_options"]]),
    (
        "sendPhoto",
        &[SEND, &["photo", "caption", "parse_mode", "caption_entities", "show_caption_above_media", "has_spoiler"]],
    ),
    (
        "sendDocument",
        &[
            SEND,
            &["document", "thumbnail", "caption", "parse_mode", "caption_entities", "disable_content_type_detection"],
        ],
    ),
    ("sendVoice", &[SEND, &["voice", "caption", "parse_mode", "caption_entities", "duration"]]),
    (
        "sendLocation",
        &[SEND, &["latitude", "longitude", "horizontal_accuracy", "live_period", "heading", "proximity_alert_radius"]],
    ),
    (
        "editMessageText",
        &[&[
            "business_connection_id",
            "chat_id",
            "message_id",
            "inline_message_id",
            "text",
            "parse_mode",
            "entities",
            "link_preview_options",
            "rich_message",
            "reply_markup",
        ]],
    ),
    (
        "editMessageReplyMarkup",
        &[&["business_connection_id", "chat_id", "message_id", "inline_message_id", "reply_markup"]],
    ),
    ("deleteMessage", &[&["chat_id", "message_id"]]),
    ("answerCallbackQuery", &[&["callback_query_id", "text", "show_alert", "url", "cache_time"]]),
    ("sendChatAction", &[&["business_connection_id", "chat_id", "message_thread_id", "action"]]),
    ("getFile", &[&["file_id"]]),
    (
        "setWebhook",
        &[&[
            "url",
            "certificate",
            "ip_address",
            "max_connections",
            "allowed_updates",
            "drop_pending_updates",
            "secret_token",
        ]],
    ),
    ("deleteWebhook", &[&["drop_pending_updates"]]),
    ("getWebhookInfo", &[]),
    ("getUpdates", &[&["offset", "limit", "timeout", "allowed_updates"]]),
    ("setMyCommands", &[&["commands", "scope", "language_code"]]),
    ("leaveChat", &[&["chat_id"]]),
];

/// One method.
#[derive(Clone, Copy)]
pub(super) struct Method {
    /// As the documentation writes it; calls may write it in any case.
    pub(super) name: &'static str,
    parameters: &'static [&'static [&'static str]],
}

/// Names of all methods.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(name, _)| *name)
}

impl Method {
    pub(super) fn find(name: &str) -> Option<Self> {
        let found = METHODS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(name, parameters)| Self { name, parameters })
    }

    pub(super) fn takes(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|some| some.contains(&parameter))
    }
}
