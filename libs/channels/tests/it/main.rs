//! The rooms of the platforms through their one door, [`channels::Channel`], over real sockets.

mod infobip_fetch;
mod infobip_send;
mod web;
