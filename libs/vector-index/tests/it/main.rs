//! What the index promises, through its public interface.

mod changes;
mod crash;
mod files;
mod golden;
mod mutants;
mod nearest;
mod refusals;
mod support;
