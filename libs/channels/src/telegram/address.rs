//! Where a message is: chat, topic and number in one id of ours.

/// A chat, or a topic of a forum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The platform's id of the chat.
    pub chat: i64,
    /// The topic within it.
    pub thread: Option<i64>,
}

impl Address {
    /// `<chat>` or `<chat>#<topic>`: the peer of a conversation.
    pub fn peer(&self) -> String {
        match self.thread {
            Some(thread) => format!("{}#{thread}", self.chat),
            None => self.chat.to_string(),
        }
    }

    /// The reverse of [`Self::peer`].
    pub fn of_peer(peer: &str) -> Option<Self> {
        match peer.split_once('#') {
            Some((chat, thread)) => Some(Self { chat: chat.parse().ok()?, thread: Some(thread.parse().ok()?) }),
            None => Some(Self { chat: peer.parse().ok()?, thread: None }),
        }
    }

    /// `<chat>/<number>`: numbers of messages are unique within a chat only.
    pub fn message(&self, number: i64) -> String {
        format!("{}/{number}", self.chat)
    }
}

/// Chat and number of [`Address::message`].
pub(super) fn of_message(id: &str) -> Option<(i64, i64)> {
    let (chat, number) = id.split_once('/')?;
    Some((chat.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for address in [Address { chat: 12_345, thread: None }, Address { chat: -1_001_234_567_489, thread: Some(33) }]
        {
            assert_eq!(Address::of_peer(&address.peer()), Some(address));
            assert_eq!(of_message(&address.message(7)), Some((address.chat, 7)));
        }
        for bad in ["", "x", "1#", "#1", "1/2"] {
            assert_eq!(Address::of_peer(bad), None, "{bad}");
        }
        for bad in ["", "1", "1/", "/1", "edit/7", "1/2/3"] {
            assert_eq!(of_message(bad), None, "{bad}");
        }
    }
}
