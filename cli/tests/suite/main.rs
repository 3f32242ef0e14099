//! The program as its users call it.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod db;
#[cfg(test)]
mod defects;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod job;
#[cfg(test)]
mod json;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod locale;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod quick;
#[cfg(test)]
mod records;
#[cfg(test)]
mod restoring;
#[cfg(test)]
mod run;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod storages;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod told;
