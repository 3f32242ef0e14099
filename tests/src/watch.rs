//! Looks at the command lines and environments of every process for words that must not be there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A watch over all processes of this machine, as long as it lives.
pub struct Watch {
    stop: Arc<AtomicBool>,
    found: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<u64>>,
}

impl Watch {
    /// Watches for `words` from now on.
    #[must_use]
    pub fn for_words(words: &[&str]) -> Self {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let (stop, found) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (stop, found) = (Arc::clone(&stop), Arc::clone(&found));
            move || {
                let mut looks = 0;
                while !stop.load(Ordering::SeqCst) {
                    look(&words, &found);
                    looks += 1;
                    std::thread::sleep(Duration::from_millis(3));
                }
                looks
            }
        });
        Self {
            stop,
            found,
            thread: Some(thread),
        }
    }

    /// Ends the watch.
    ///
    /// # Panics
    /// When a word was seen, or nothing was looked at.
    pub fn saw_nothing(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let looks = self.thread.take().unwrap().join().unwrap();
        assert!(looks > 0, "nobody looked");
        let found = self.found.lock().unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
}

fn look(words: &[Vec<u8>], found: &Mutex<Vec<String>>) {
    let own = std::process::id().to_string();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let number = process.file_name().into_string().unwrap_or_default();
        if !number.bytes().all(|byte| byte.is_ascii_digit()) || number == own {
            continue;
        }
        for part in ["cmdline", "environ"] {
            let Ok(content) = std::fs::read(process.path().join(part)) else {
                continue;
            };
            if words.iter().any(|word| contains(&content, word)) {
                let shown = String::from_utf8_lossy(&content).replace('\0', " ");
                found.lock().unwrap().push(format!("{part} of {number}: {shown}"));
            }
        }
    }
}

/// Whether `word` stands in `content`.
#[must_use]
pub fn contains(content: &[u8], word: &[u8]) -> bool {
    content.windows(word.len()).any(|window| window == word)
}
