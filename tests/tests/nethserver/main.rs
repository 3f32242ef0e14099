//! Holdfast as NethServer's administrators meet it: installed from its package, called by the names and with the lines of
//! their manual, on a machine of its own.

mod adopt;
mod guide;
mod life;
mod manual;
mod package;
mod timers;
