//! The randomness of a simulation.

/// Gives numbers in `[0, 1)`.
#[cfg(feature = "on")]
pub type Random = std::rc::Rc<dyn Fn() -> f64>;

#[cfg(feature = "on")]
thread_local! {
    static RANDOM: std::cell::RefCell<Option<Random>> = const { std::cell::RefCell::new(None) };
}

/// Has [`unit`] on this thread draw from `random`, or nothing again.
#[cfg(feature = "on")]
pub fn draw_from(random: Option<Random>) {
    RANDOM.set(random);
}

/// A number in `[0, 1)` where this thread runs a simulation, whose seed decides everything.
#[cfg(feature = "on")]
pub fn unit() -> Option<f64> {
    RANDOM.with_borrow(|random| random.as_ref().map(|random| random()))
}

/// No simulation runs in this build.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn unit() -> Option<f64> {
    None
}
