//! Turns: decide, ask, call, answer.
