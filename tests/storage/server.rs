//! A server over TLS that answers by a script: for what real servers do not do when asked to. It speaks just enough
//! HTTP/1.1 for clients that send no body.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

/// One answer.
#[derive(Clone)]
pub enum Answer {
    /// Status, headers and the whole body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// As many bytes of the body as told, and then the end of the connection.
    Cut(Box<Answer>, usize),
    /// As many bytes of the body as told, and then nothing more.
    Stall(Box<Answer>, usize),
    /// The connection ends without an answer.
    Close,
    /// Nothing, for as long as the other side waits.
    Silence,
}

pub struct Server {
    pub port: u16,
    pub authority: Vec<u8>,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// The last answer is repeated.
    pub fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            authority: made.cert.pem().into_bytes(),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (seen, connections) = (Arc::clone(&server.seen), Arc::clone(&server.connections));
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let config = Arc::new(config);
        // Ends with the process: a listener has no end of its own.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (config, script, seen) = (Arc::clone(&config), Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || serve(stream, config, &script, &seen));
            }
        });
        server
    }

    /// Heads of the requests so far, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Until either side ends the connection.
fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    script: &Mutex<VecDeque<Answer>>,
    seen: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let answer = {
            let mut script = script.lock().unwrap();
            seen.lock().unwrap().push(head.clone());
            if script.len() > 1 {
                script.pop_front()
            } else {
                script.front().cloned()
            }
        };
        let (Answer::Whole(status, headers, body), sent, hold) = (match answer? {
            Answer::Cut(whole, sent) => (*whole, Some(sent), false),
            Answer::Stall(whole, sent) => (*whole, Some(sent), true),
            Answer::Close => return None,
            Answer::Silence => {
                // The next byte is the end of the connection.
                let _ = stream.read(&mut [0]);
                return None;
            }
            whole @ Answer::Whole(..) => (whole, None, false),
        }) else {
            panic!("what is cut or stalls must be a whole answer");
        };
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n").ok()?;
        for (name, value) in headers {
            write!(stream, "{name}: {value}\r\n").ok()?;
        }
        write!(stream, "\r\n").ok()?;
        if !head.starts_with("head ") {
            stream.write_all(&body[..sent.unwrap_or(body.len())]).ok()?;
        }
        stream.flush().ok()?;
        if hold {
            let _ = stream.read(&mut [0]);
        }
        if sent.is_some() {
            return None;
        }
    }
}
