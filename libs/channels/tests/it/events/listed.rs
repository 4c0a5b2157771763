//! The tables leave nothing out that a platform lists.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Case, tables};

#[test]
fn every_field_of_telegrams_updates_and_messages_has_a_case() {
    let (mut updates, mut messages) = (BTreeSet::new(), BTreeSet::new());
    for case in cases("telegram") {
        for (field, part) in case.body.as_object().expect("an update") {
            updates.insert(field.clone());
            if field.ends_with("message") || field.ends_with("channel_post") {
                messages.extend(part.as_object().expect("a message").keys().cloned());
            }
        }
    }
    assert_eq!(missing(&UPDATE, &updates), Vec::<&str>::new());
    assert_eq!(missing(&MESSAGE, &messages), Vec::<&str>::new());
}

#[test]
fn every_type_and_field_of_meta_has_a_case() {
    let (mut fields, mut types, mut states) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for case in cases("meta") {
        for change in case.body["entry"].as_array().expect("entries").iter().flat_map(|entry| list(&entry["changes"])) {
            fields.insert(word(&change["field"]));
            types.extend(list(&change["value"]["messages"]).iter().map(|message| word(&message["type"])));
            let interactive = list(&change["value"]["messages"]).iter().map(|message| &message["interactive"]["type"]);
            types.extend(interactive.filter(|kind| kind.is_string()).map(word));
            states.extend(list(&change["value"]["statuses"]).iter().map(|status| word(&status["status"])));
        }
    }
    assert_eq!(missing(&META_FIELDS, &fields), Vec::<&str>::new());
    assert_eq!(missing(&META_TYPES, &types), Vec::<&str>::new());
    assert_eq!(missing(&META_STATES, &states), Vec::<&str>::new());
}

#[test]
fn every_type_and_group_of_infobip_has_a_case() {
    let (mut types, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for case in cases("infobip") {
        for result in list(&case.body["results"]) {
            types.insert(word(&result["message"]["type"]));
            groups.insert(word(&result["status"]["groupName"]));
        }
    }
    assert_eq!(missing(&INFOBIP_TYPES, &types), Vec::<&str>::new());
    assert_eq!(missing(&INFOBIP_GROUPS, &groups), Vec::<&str>::new());
}

fn cases(platform: &str) -> Vec<Case> {
    let table = tables().into_iter().find(|table| table.channel.name() == platform);
    table.expect("a table").cases
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn missing<'a>(listed: &[&'a str], told: &BTreeSet<String>) -> Vec<&'a str> {
    listed.iter().copied().filter(|name| !told.contains(*name)).collect()
}

/// Telegram: optional fields of `Update`.
const UPDATE: [&str; 25] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
];

/// Telegram: fields of `Message`.
const MESSAGE: [&str; 115] = [
    "message_id",
    "message_thread_id",
    "direct_messages_topic",
    "from",
    "sender_chat",
    "sender_boost_count",
    "sender_business_bot",
    "sender_tag",
    "date",
    "guest_query_id",
    "business_connection_id",
    "chat",
    "forward_origin",
    "is_topic_message",
    "is_automatic_forward",
    "reply_to_message",
    "external_reply",
    "quote",
    "reply_to_story",
    "reply_to_checklist_task_id",
    "reply_to_poll_option_id",
    "via_bot",
    "guest_bot_caller_user",
    "guest_bot_caller_chat",
    "edit_date",
    "has_protected_content",
    "is_from_offline",
    "is_paid_post",
    "media_group_id",
    "author_signature",
    "paid_star_count",
    "text",
    "entities",
    "link_preview_options",
    "suggested_post_info",
    "effect_id",
    "rich_message",
    "animation",
    "audio",
    "document",
    "live_photo",
    "paid_media",
    "photo",
    "sticker",
    "story",
    "video",
    "video_note",
    "voice",
    "caption",
    "caption_entities",
    "show_caption_above_media",
    "has_media_spoiler",
    "checklist",
    "contact",
    "dice",
    "game",
    "poll",
    "venue",
    "location",
    "new_chat_members",
    "left_chat_member",
    "chat_owner_left",
    "chat_owner_changed",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "pinned_message",
    "invoice",
    "successful_payment",
    "refunded_payment",
    "users_shared",
    "chat_shared",
    "gift",
    "unique_gift",
    "gift_upgrade_sent",
    "connected_website",
    "write_access_allowed",
    "passport_data",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "checklist_tasks_done",
    "checklist_tasks_added",
    "direct_message_price_changed",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "giveaway_created",
    "giveaway",
    "giveaway_winners",
    "giveaway_completed",
    "managed_bot_created",
    "paid_message_price_changed",
    "poll_option_added",
    "poll_option_deleted",
    "suggested_post_approved",
    "suggested_post_approval_failed",
    "suggested_post_declined",
    "suggested_post_paid",
    "suggested_post_refunded",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
    "web_app_data",
    "reply_markup",
];

/// Meta: fields that an app subscribes to.
const META_FIELDS: [&str; 29] = [
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
    "business_capability_update",
    "business_status_update",
    "calls",
    "flows",
    "group_lifecycle_update",
    "group_participants_update",
    "group_settings_update",
    "group_status_update",
    "history",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "messages",
    "partner_solutions",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "smb_app_state_sync",
    "smb_message_echoes",
    "template_category_update",
    "tracking_events",
    "user_id_update",
    "user_preferences",
];

/// Meta: types of messages, and of answers to interactive ones.
const META_TYPES: [&str; 21] = [
    "text",
    "image",
    "audio",
    "video",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "button_reply",
    "list_reply",
    "nfm_reply",
    "call_permission_reply",
    "button",
    "order",
    "reaction",
    "edit",
    "revoke",
    "system",
    "unsupported",
    "request_welcome",
];

/// Meta: states of a message of ours.
const META_STATES: [&str; 5] = ["sent", "delivered", "read", "played", "failed"];

/// Infobip: types of inbound messages.
const INFOBIP_TYPES: [&str; 18] = [
    "TEXT",
    "IMAGE",
    "DOCUMENT",
    "AUDIO",
    "VOICE",
    "VIDEO",
    "STICKER",
    "LOCATION",
    "CONTACT",
    "BUTTON",
    "INTERACTIVE_BUTTON_REPLY",
    "INTERACTIVE_LIST_REPLY",
    "INTERACTIVE_FLOW_REPLY",
    "INTERACTIVE_PAYMENT_CONFIRMATION",
    "ORDER",
    "REACTION",
    "INFECTED_CONTENT",
    "UNSUPPORTED",
];

/// Infobip: groups of a delivery report's status.
const INFOBIP_GROUPS: [&str; 6] = ["ACCEPTED", "PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED"];
