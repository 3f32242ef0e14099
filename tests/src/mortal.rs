//! Servers that are killed in the middle of a run and started again, behind a proxy whose address stays.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backends::layers::RetryPolicy;

use crate::b2::B2Server;
use crate::proxy::{Aim, Fault, Proxy, Way};
use crate::server::Server;
use crate::sshd::Sshd;

/// A server that can be killed and started again.
pub trait Living: Send {
    /// Where it listens now.
    fn address(&self) -> SocketAddr;

    /// Ends it at once, in the middle of whatever it does.
    fn kill(&mut self);

    /// Starts it again on the same data, perhaps at another address.
    fn again(&mut self);
}

/// A program that serves a folder, and how it is started.
pub struct Serving<F>(Server, F);

impl<F: Fn() -> Option<Server>> Serving<F> {
    /// Starts it; `None` where `start` gives none.
    #[must_use]
    pub fn start(start: F) -> Option<Self> {
        start().map(|server| Self(server, start))
    }
}

impl<F: Fn() -> Option<Server> + Send> Living for Serving<F> {
    fn address(&self) -> SocketAddr {
        self.0.address
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn again(&mut self) {
        self.0 = (self.1)().unwrap();
    }
}

impl Living for Sshd {
    fn address(&self) -> SocketAddr {
        Self::address(self)
    }

    fn kill(&mut self) {
        self.crash();
    }

    fn again(&mut self) {
        Self::again(self);
    }
}

impl Living for B2Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn kill(&mut self) {
        self.crash();
    }

    fn again(&mut self) {
        Self::again(self);
    }
}

/// What a killed server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is there again at once, as when its service is restarted.
    Back,
    /// It stays away until [`Mortal::revive`].
    Away,
}

impl After {
    /// How often is tried again what such a server has broken off: long enough for one that comes back to start on a
    /// machine that has much to do; where it stays away the run fails soon.
    #[must_use]
    pub const fn policy(self) -> RetryPolicy {
        match self {
            Self::Back => RetryPolicy {
                tries: 1000,
                first_wait: Duration::from_millis(5),
                longest_wait: Duration::from_millis(100),
                total: Duration::from_secs(60),
            },
            Self::Away => RetryPolicy {
                tries: 3,
                first_wait: Duration::from_millis(2),
                longest_wait: Duration::from_millis(10),
                total: Duration::from_secs(5),
            },
        }
    }
}

/// A server and the proxy before it.
pub struct Mortal<L> {
    life: Arc<Life<L>>,
    proxy: Proxy,
}

struct Life<L> {
    server: Mutex<(L, bool)>,
    aim: Aim,
}

impl<L: Living> Life<L> {
    fn lock(&self) -> MutexGuard<'_, (L, bool)> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        let mut server = self.lock();
        server.0.kill();
        server.1 = false;
    }

    fn revive(&self) {
        let mut server = self.lock();
        if !server.1 {
            server.0.again();
            server.1 = true;
            self.aim.at(server.0.address());
        }
    }
}

impl<L: Living + 'static> Mortal<L> {
    /// Puts a proxy before it.
    #[must_use]
    pub fn behind(server: L) -> Self {
        let proxy = Proxy::start(server.address(), Arc::new(|_| Fault::None));
        let life = Life {
            server: Mutex::new((server, true)),
            aim: proxy.aim(),
        };
        Self {
            life: Arc::new(life),
            proxy,
        }
    }

    /// Where clients find it, whatever happens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.proxy.address
    }

    /// Does something with the server itself.
    pub fn with<T>(&self, work: impl FnOnce(&mut L) -> T) -> T {
        work(&mut self.life.lock().0)
    }

    /// It will be killed when so many more bytes have gone that way.
    pub fn strike(&self, way: Way, bytes: u64, after: After) {
        let life = Arc::clone(&self.life);
        self.proxy.strike(way, bytes, move || {
            life.kill();
            if after == After::Back {
                life.revive();
            }
        });
    }

    /// Starts it again when it is dead, and says whether it was killed since the strike was prepared.
    #[must_use]
    pub fn revive(&self) -> bool {
        // Waits for a strike that is falling.
        let killed = self.proxy.has_struck();
        self.life.revive();
        killed
    }
}
