//! Ports of the loopback interface.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A port that was free a moment ago. Another program may take it first, so whoever uses it must be ready to ask again.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Why a fixed port cannot be used, as a text for the user; `None` when it can.
pub fn taken_port_problem(port: u16) -> Option<String> {
    let error = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()?;
    Some(match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} on 127.0.0.1 is already taken by another program\n\
             hint: stop that program, choose another port, or leave the port out to get a free one"
        ),
        _ => format!("port {port} on 127.0.0.1 cannot be used: {error}\nhint: choose another port, or leave it out"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_and_a_free_one_is_not() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let problem = taken_port_problem(port).unwrap();
        assert!(problem.starts_with(&format!("port {port} on 127.0.0.1 is already taken")), "{problem}");
        assert!(problem.contains("hint:"), "{problem}");

        drop(taken);
        assert_eq!(taken_port_problem(port), None);
    }
}
