//! Server-sent events out of bytes: the `data` of each event, whatever the line ends and wherever the bytes are cut.
//!
//! WHATWG HTML, section 9.2.6. Names, ids and retry times are passed over, since no chat endpoint gives them a meaning.

/// A reader that is fed with bytes as they come. The caller limits how many.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    begun: bool,
}

impl Reader {
    /// Takes bytes and gives the events that are complete with them. They are bytes still: a character may come in two
    /// pieces, an event does not.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        for &byte in bytes {
            let line_feed_of_pair = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            match byte {
                b'\n' if line_feed_of_pair => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    /// What is left when the bytes end: the standard drops it, but some servers leave out the last line's end.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.take_event()
    }

    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        let line = match line.strip_prefix("\u{feff}".as_bytes()) {
            Some(rest) if !self.begun => rest,
            _ => &line,
        };
        self.begun = true;
        if line.is_empty() {
            return self.take_event();
        }
        let value = match line.strip_prefix(b"data") {
            Some(b"") => &[][..],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            _ => return None, // a comment, or a field without meaning here
        };
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        None
    }

    fn take_event(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.has_data).then(|| std::mem::take(&mut self.data))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::default();
        let mut events: Vec<Vec<u8>> = pieces.iter().flat_map(|piece| reader.feed(piece)).collect();
        events.extend(reader.finish());
        events.into_iter().map(|event| String::from_utf8_lossy(&event).into_owned()).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(read(&[text.as_bytes()]), expected, "{text:?}");
    }

    #[test]
    fn events_are_told_apart_in_every_form() {
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("data:a\r\n\r\ndata:  b\r\n\r\n", &["a", " b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check(": comment\n\n: more\ndata: a\n: between\ndata: b\n\n", &["a\nb"]);
        check("event: x\nid: 1\nretry: 5\ndata: a\n\n", &["a"]);
        check("\u{feff}data: a\n\n", &["a"]);
        check("data\n\n", &[""]);
        check("database: a\n\n", &[]);
        check("\n\n\n", &[]);
        check("data: [DONE]", &["[DONE]"]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_cut(at in proptest::collection::vec(0_usize..80, 0..8)) {
            let text = "data: žaba 🐸\r\n\r\n: x\r\ndata: {\"a\":\"ß\"}\n\ndata: last\r\rdata: é".as_bytes();
            let mut at: Vec<usize> = at.into_iter().filter(|at| *at < text.len()).collect();
            at.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for to in at {
                pieces.push(&text[from..to]);
                from = to;
            }
            pieces.push(&text[from..]);
            prop_assert_eq!(read(&pieces), read(&[text]));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&[&bytes]);
        }
    }
}
