"""Second readers: pywa and aiogram read the bodies of our tables, and what they find is compared with what stands there.

readers.py <folder of the tables>. Compared are the fields that the reader has as well: sender, id, text, quoted message,
id of the file. A body that a reader refuses, or of which it tells nothing, is counted as unread by it, and is no
disagreement: they know less than the documentation does.
"""

import json
import logging
import pathlib
import sys
import warnings

from aiogram.types import Update
from pywa import WhatsApp, handlers, types


# Where we read more than the reader does, and why that is right.
KNOWN = {
    # An edit carries the whole message as it is now, what it quotes included; pywa looks for that beside the edit.
    ("meta", "edit of a text", "quoted"),
    # A voice note that was played was read; there is no higher rank.
    ("meta", "status played", "status"),
}


def meta(body, found):
    """What pywa tells of a body: it reads the first message of the first change."""
    client = WhatsApp(phone_id="4410001", token="unused", filter_updates=False)
    registered = [
        handlers.MessageHandler,
        handlers.EditedMessageHandler,
        handlers.DeletedMessageHandler,
        handlers.CallbackButtonHandler,
        handlers.CallbackSelectionHandler,
        handlers.FlowCompletionHandler,
        handlers.MessageStatusHandler,
    ]
    client.add_handlers(*(kind(lambda _, update: found.append(update)) for kind in registered))
    client.webhook_update_handler(json.dumps(body).encode())


def told_by_pywa(update):
    told = {"id": update.id}
    if isinstance(update, types.MessageStatus):
        return told | {"status": update.status.value}
    told["sender"] = update.from_user.wa_id or update.from_user.bsuid
    quoted = getattr(update, "reply_to_message", None)
    told["quoted"] = quoted.id if quoted else None
    if isinstance(update, types.CallbackButton | types.CallbackSelection):
        return told | {"choice": update.data, "text": update.title}
    if isinstance(update, types.Message):
        media = update.media
        if media is not None:
            told["media"] = media.id
        words = [update.text, update.caption, (update.order.text or None) if update.order else None]
        told["text"] = next((text for text in words if text is not None), None)
        if update.location:
            told |= {"latitude": update.location.latitude, "longitude": update.location.longitude}
        if update.reaction:
            told |= {"of": update.reaction.to_message_id, "emoji": update.reaction.emoji or None, "quoted": None}
            del told["text"]
    return told


def told_by_aiogram(body):
    update = Update.model_validate(body)
    part = update.message or update.edited_message
    if update.callback_query:
        query = update.callback_query
        return {"sender": str(query.from_user.id), "choice": query.data}
    if update.message_reaction:
        reaction = update.message_reaction
        return {"of": f"{reaction.chat.id}/{reaction.message_id}"}
    if part is None:
        return None
    told = {"text": part.text if part.text is not None else part.caption}
    if part.from_user and part.sender_chat is None:
        told["sender"] = str(part.from_user.id)
    if update.message:
        told["id"] = f"{part.chat.id}/{part.message_id}"
        quoted = part.reply_to_message
        # In a topic every message answers the one that began it, and so quotes nothing.
        quoted = None if quoted is None or quoted.forum_topic_created else quoted.message_id
        told["quoted"] = quoted and f"{part.chat.id}/{quoted}"
    else:
        told["of"] = f"{part.chat.id}/{part.message_id}"
    files = [part.voice, part.audio, part.video, part.animation, part.document, part.sticker, part.video_note]
    files = [file for file in files if file] + sorted(part.photo or [], key=lambda size: -size.width * size.height)
    if files:
        told["media"] = files[0].file_id
    if part.location:
        told |= {"latitude": part.location.latitude, "longitude": part.location.longitude}
    return told


def read(platform, body):
    if platform == "telegram":
        return told_by_aiogram(body)
    found = []
    meta(body, found)
    return told_by_pywa(found[0]) if found else None


def main(folder):
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    disagreements = 0
    for platform, reader in (("meta", "pywa"), ("telegram", "aiogram")):
        read_count = fields = unread = 0
        for line in (folder / f"{platform}.jsonl").read_text().splitlines():
            case = json.loads(line)
            if len(case["expect"]) != 1 or case["expect"][0].get("event") in (None, "account", "unknown", "unparsed"):
                continue
            try:
                told = read(platform, case["body"])
            except Exception:  # whatever a reader raises, it does not read this body
                told = None
            if told is None:
                unread += 1
                continue
            read_count += 1
            for field, expected in case["expect"][0].items():
                if field not in told or expected == "*" or (platform, case["kind"], field) in KNOWN:
                    continue
                fields += 1
                if told[field] != expected:
                    disagreements += 1
                    print(f"{platform} {case['kind']}: `{field}` is {expected!r} here and {told[field]!r} by {reader}")
        print(f"{reader}: {read_count} bodies and {fields} fields compared, {unread} bodies unread by it")
    print(f"figure second_readers_disagree {disagreements}")
    return 1 if disagreements else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
