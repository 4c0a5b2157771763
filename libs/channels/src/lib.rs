//! The platforms contracts: verify, parse, render, send, classify errors.
