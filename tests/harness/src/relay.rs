//! A TCP relay in front of a server, which can be slow, lose answers, or refuse in the server's stead.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the relay does with what passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// Passes it on.
    #[default]
    Whole,
    /// Each answer comes so much later.
    Slow(Duration),
    /// When a client has said all these words on one connection, in this order, the server still hears it, and nothing
    /// that the server says on that connection arrives.
    Deaf(&'static [&'static str]),
    /// What holds these words is answered with this, and not passed on.
    Refusing {
        /// In the request.
        words: &'static str,
        /// The whole answer.
        answer: &'static str,
    },
}

/// A running relay; what it holds open ends with it.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<u16>,
    mode: Mutex<Mode>,
    connections: Mutex<Vec<Arc<Connection>>>,
    ended: AtomicBool,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Answers are thrown away.
    is_deaf: AtomicBool,
    /// The server owes an answer.
    is_asked: AtomicBool,
}

impl Relay {
    /// In front of a server on this port of loopback.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            mode: Mutex::default(),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::Relaxed) {
                    break;
                }
                accepting.pass(client);
            }
        });
        Self { port, shared }
    }

    /// Its own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach an HTTP server through it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on. Connections on which an answer was lost end, as they would have at last.
    pub fn set(&self, mode: Mode) {
        *held(&self.shared.mode) = mode;
        held(&self.shared.connections).retain(|connection| {
            let is_deaf = connection.is_deaf.load(Ordering::SeqCst);
            if is_deaf {
                connection.end();
            }
            !is_deaf
        });
    }

    /// Leads new connections to another server, and ends those that are there.
    pub fn lead_to(&self, upstream: u16) {
        *held(&self.shared.upstream) = upstream;
        self.shared.end_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.end_all();
        // Wakes the thread that accepts; it may be gone.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn pass(self: &Arc<Self>, client: TcpStream) {
        let upstream = *held(&self.upstream);
        // Nobody listens: the client's connection ends, too.
        let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else {
            return;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("an open socket");
        }
        let connection = Arc::new(Connection {
            client,
            server,
            is_deaf: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
        });
        held(&self.connections).push(Arc::clone(&connection));
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let other = Arc::clone(&connection);
        std::thread::spawn(move || {
            up.carry_up(&connection);
            connection.end();
            held(&up.connections).retain(|kept| !Arc::ptr_eq(kept, &connection));
        });
        std::thread::spawn(move || {
            down.carry_down(&other);
            other.end();
        });
    }

    fn mode(&self) -> Mode {
        held(&self.mode).clone()
    }

    fn end_all(&self) {
        for connection in held(&self.connections).drain(..) {
            connection.end();
        }
    }

    fn carry_up(&self, connection: &Connection) {
        let mut said = Said::default();
        let mut chunk = [0; 16 * 1024];
        while let Ok(number @ 1..) = (&connection.client).read(&mut chunk) {
            let bytes = &chunk[..number];
            match self.mode() {
                Mode::Deaf(words) if said.all(words, bytes) => connection.is_deaf.store(true, Ordering::SeqCst),
                Mode::Refusing { words, answer } if holds(bytes, words) => {
                    // The client may be gone already.
                    let _ = (&connection.client).write_all(answer.as_bytes());
                    continue;
                }
                _ => {}
            }
            connection.is_asked.store(true, Ordering::SeqCst);
            if (&connection.server).write_all(bytes).is_err() {
                return;
            }
        }
    }

    fn carry_down(&self, connection: &Connection) {
        let mut chunk = [0; 16 * 1024];
        while let Ok(number @ 1..) = (&connection.server).read(&mut chunk) {
            if let Mode::Slow(time) = self.mode()
                && connection.is_asked.swap(false, Ordering::SeqCst)
            {
                std::thread::sleep(time);
            }
            let is_deaf = connection.is_deaf.load(Ordering::SeqCst);
            if !is_deaf && (&connection.client).write_all(&chunk[..number]).is_err() {
                return;
            }
        }
        // A server that hangs up is an answer, too.
        while connection.is_deaf.load(Ordering::SeqCst) && connection.client.peek(&mut [0]).is_ok_and(|n| n > 0) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Connection {
    fn end(&self) {
        for stream in [&self.client, &self.server] {
            // The other side may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// How many of the words a connection has said so far.
#[derive(Default)]
struct Said(usize);

impl Said {
    /// Whether all of them were said, these bytes included. Requests here are small: each comes in one piece.
    fn all(&mut self, words: &[&str], bytes: &[u8]) -> bool {
        while self.0 < words.len() && holds(bytes, words[self.0]) {
            self.0 += 1;
        }
        self.0 == words.len()
    }
}

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|part| part == words.as_bytes())
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
