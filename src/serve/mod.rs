//! todo

pub mod player;
