//! A PostgreSQL server, as far as to ask for a password as it is, and to repeat it in its refusal.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The code that a client sends to ask for TLS.
const TLS: u32 = 80_877_103;

/// The server. Its thread ends with the process.
pub(super) struct Repeater {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    seen: String,
    code: String,
}

impl Repeater {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that hangs up is done.
                serve(client, &shared).ok();
            }
        });
        Self { address, state }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The SQLSTATE of the next refusals.
    pub(super) fn answer_with(&self, code: &str) {
        code.clone_into(&mut lock(&self.state).code);
    }

    /// All passwords so far.
    pub(super) fn seen(&self) -> String {
        lock(&self.state).seen.clone()
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    if body(&mut client)?.starts_with(&TLS.to_be_bytes()) {
        client.write_all(b"N")?;
        body(&mut client)?;
    }
    // AuthenticationCleartextPassword
    client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3])?;
    client.read_exact(&mut [0])?;
    let password = String::from_utf8_lossy(&body(&mut client)?).trim_end_matches('\0').to_owned();
    let code = {
        let mut state = lock(state);
        state.seen.push_str(&password);
        state.code.clone()
    };
    let told = format!("the server was told {password}");
    let fields = [('S', "FATAL"), ('V', "FATAL"), ('C', &code), ('M', &told), ('D', &told), ('H', &told), ('W', &told)];
    let mut refusal: Vec<u8> =
        fields.iter().flat_map(|(field, text)| format!("{field}{text}\0").into_bytes()).collect();
    refusal.push(0);
    client.write_all(b"E")?;
    client.write_all(&(u32::try_from(refusal.len()).expect("short") + 4).to_be_bytes())?;
    client.write_all(&refusal)
}

/// The rest of a message behind its length.
fn body(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4).min(1 << 16)];
    client.read_exact(&mut body)?;
    Ok(body)
}
