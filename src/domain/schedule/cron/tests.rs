//! Due times against croner, which nobody here wrote, where it means the same; against a slow and obvious model where clocks
//! are set, which is where it does not; and what is an expression at all.

mod against_croner;
mod clock;
mod expressions;
mod model;
