//! Owners and groups: numbers to names and back, each asked of the system once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

/// The system's user and group names, remembered; may be shared by many threads.
///
/// An answer is kept for the life of this value, also when it is that there is none: a name service that answers slowly (LDAP, a
/// domain) is asked once per owner and not once per file.
#[derive(Debug, Default)]
pub struct Names {
    users: Memory<u32, Option<Arc<str>>>,
    groups: Memory<u32, Option<Arc<str>>>,
    uids: Memory<Box<str>, Option<u32>>,
    gids: Memory<Box<str>, Option<u32>>,
}

impl Names {
    /// With nothing remembered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of a user; `None` when there is none or it is not UTF-8.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<Arc<str>> {
        self.users.get(&uid, uid, || {
            Some(Arc::from(uzers::get_user_by_uid(uid)?.name().to_str()?))
        })
    }

    /// The name of a group; `None` when there is none or it is not UTF-8.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<Arc<str>> {
        self.groups.get(&gid, gid, || {
            Some(Arc::from(uzers::get_group_by_gid(gid)?.name().to_str()?))
        })
    }

    /// The number of the user of that name, where there is one.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.uids.get(name, name, || Some(uzers::get_user_by_name(name)?.uid()))
    }

    /// The number of the group of that name, where there is one.
    #[must_use]
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.gids
            .get(name, name, || Some(uzers::get_group_by_name(name)?.gid()))
    }
}

#[derive(Debug)]
struct Memory<K, V>(RwLock<HashMap<K, V>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(RwLock::new(HashMap::new()))
    }
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// The lock is not held while the system is asked: two threads may ask the same, and get the same answer.
    fn get<Q>(&self, key: &Q, owned: impl Into<K>, ask: impl FnOnce() -> V) -> V
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return known.clone();
        }
        let answer = ask();
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(owned.into(), answer.clone());
        answer
    }
}
