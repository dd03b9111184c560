//! Previews of untrusted code: what their compose files may ask for, and what their containers may take.

mod bench;
mod judge;
mod names;
mod noisy;
