//! Pages of lists that are ordered by name: the token is the last name, in hex.

use tonic::Status;

const DEFAULT: usize = 50;
const MOST: usize = 200;

/// Which rows are asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows behind this name; empty for the first page.
    pub after: String,
    /// At most so many.
    pub size: usize,
}

impl Page {
    /// # Errors
    /// INVALID_ARGUMENT: an unknown token, or a size outside 0 to 200.
    pub fn of(size: i32, token: &str) -> Result<Self, Status> {
        Self::up_to(size, token, MOST)
    }

    /// With another greatest size than 200.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn up_to(size: i32, token: &str, most: usize) -> Result<Self, Status> {
        let size = match usize::try_from(size) {
            Ok(0) => DEFAULT,
            Ok(size) if size <= most => size,
            _ => return Err(Status::invalid_argument(format!("page_size is {size}; it must be from 0 to {most}"))),
        };
        let after = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = after.ok_or_else(|| Status::invalid_argument("page_token is not one of ours"))?;
        Ok(Self { after, size })
    }

    /// Cuts `rows`, which hold one more than the page where there is more, and gives the next token.
    pub fn cut<T>(&self, rows: &mut Vec<T>, name: impl Fn(&T) -> &str) -> String {
        if rows.len() <= self.size {
            return String::new();
        }
        rows.truncate(self.size);
        rows.last().map(|last| hex::encode(name(last))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_through_all_rows() {
        let all = ["a", "b", "c", "d", "e"];
        let (mut token, mut seen) = (String::new(), Vec::new());
        for _ in 0..3 {
            let page = Page::of(2, &token).expect("a page");
            let mut rows: Vec<&str> =
                all.into_iter().filter(|name| *name > page.after.as_str()).take(page.size + 1).collect();
            token = page.cut(&mut rows, |name| name);
            seen.extend(rows);
        }
        assert_eq!(seen, all);
        assert!(token.is_empty());
    }

    #[test]
    fn bad_sizes_and_tokens_are_refused() {
        assert_eq!(Page::of(0, "").expect("a page").size, DEFAULT);
        for (size, token) in [(-1, ""), (201, ""), (1, "zz"), (1, "ff")] {
            assert_eq!(Page::of(size, token).expect_err("refused").code(), tonic::Code::InvalidArgument);
        }
    }
}
