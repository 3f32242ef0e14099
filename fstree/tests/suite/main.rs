//! The crate as its users see it, on real trees.

#[cfg(test)]
mod includes;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod support;
#[cfg(test)]
mod target;
#[cfg(test)]
mod walk;
