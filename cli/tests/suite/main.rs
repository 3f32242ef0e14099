//! The program as its users call it.

mod db;
mod errors;
mod job;
mod json;
mod machine;
mod quick;
mod signals;
