//! Listeners, with one clear message when an address cannot be had.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use crate::config;

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("{address} is in use by another program: stop it, or choose another address with {variable}")]
    Busy {
        /// The address asked for.
        address: SocketAddr,
        /// Variable that moves it.
        variable: String,
    },
    /// The system refused for another reason.
    #[error("cannot listen on {address} ({cause}); {variable} sets the address")]
    Refused {
        /// The address asked for.
        address: SocketAddr,
        /// Variable that moves it.
        variable: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// Listens on `address`, which the setting `path` (`http.listen`) of `service` holds.
///
/// # Errors
/// [`BindError`]: a message that names the variable that moves the address.
pub async fn bind(service: &str, path: &str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|cause| {
        let variable = config::variable(service, path);
        let variable = if path == "http.listen" { format!("PORT or {variable}") } else { variable };
        match cause.kind() {
            io::ErrorKind::AddrInUse => BindError::Busy { address, variable },
            _ => BindError::Refused { address, variable, cause },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_port_names_the_variable_that_moves_it() {
        let first = bind("ingress-gateway", "ops.listen", SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("free");
        let address = first.local_addr().expect("bound");
        let error = bind("ingress-gateway", "ops.listen", address).await.expect_err("busy").to_string();
        assert_eq!(
            error,
            format!(
                "{address} is in use by another program: stop it, or choose another address with \
                 INGRESS_GATEWAY__OPS__LISTEN"
            )
        );
    }
}
