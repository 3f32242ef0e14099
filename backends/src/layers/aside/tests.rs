use std::sync::mpsc;

use super::*;

/// Tells the thread that it ends on: closing a file of a server that hangs would keep it.
struct Open(mpsc::Sender<std::thread::ThreadId>);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.send(std::thread::current().id());
    }
}

#[test]
fn nothing_is_closed_where_it_could_hang() {
    let stall = Duration::from_millis(50);
    let aside = Aside::new("nas:/backup", "nas", Limits { stall, slowest: 1000 }, || {});
    let call = Call {
        operation: "open",
        object: "it",
    };
    let (told, ends) = mpsc::channel();
    let mut released = Vec::new();
    for _ in 0..2 {
        let (release, wait) = mpsc::channel::<()>();
        let file = Open(told.clone());
        // What is opened after all is nobody's any more.
        let opened = aside.ask(call, stall, move || {
            let _ = wait.recv();
            Ok(file)
        });
        assert!(opened.is_err());
        released.push(release);
    }
    // What is to be closed while nothing more is begun.
    let file = Open(told);
    let closed = aside.ask(call, stall, move || {
        drop(file);
        Ok(())
    });
    assert!(closed.is_err());
    let own = std::thread::current().id();
    assert_ne!(ends.recv().unwrap(), own);
    drop(released);
    let later: Vec<_> = ends.iter().collect();
    assert_eq!(later.len(), 2);
    assert!(!later.contains(&own));
}
