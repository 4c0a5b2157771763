//! The rooms of the platforms through their one door, [`channels::Channel`], over real sockets.

mod events;
mod infobip_fetch;
mod infobip_send;
mod meta_fetch;
mod telegram_send;
mod web;
