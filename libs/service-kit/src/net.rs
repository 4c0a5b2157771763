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
        let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
        let own = config::variable(service, path);
        let variable = match config::aliases::variable_of(service, &keys) {
            Some(alias) => format!("{alias} or {own}"),
            None => own,
        };
        match cause.kind() {
            io::ErrorKind::AddrInUse => BindError::Busy { address, variable },
            _ => BindError::Refused { address, variable, cause },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(service: &str, path: &str, variables: &str) {
        let first = bind(service, path, SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("free");
        let address = first.local_addr().expect("bound");
        let error = bind(service, path, address).await.expect_err("busy").to_string();
        assert_eq!(
            error,
            format!("{address} is in use by another program: stop it, or choose another address with {variables}")
        );
    }

    #[tokio::test]
    async fn a_busy_port_names_the_variables_that_move_it() {
        check("ingress-gateway", "ops.listen", "INGRESS_GATEWAY__OPS__LISTEN").await;
        check("ingress-gateway", "http.listen", "PORT or INGRESS_GATEWAY__HTTP__LISTEN").await;
        check("admin-service", "http.listen", "ADMIN_SERVICE__HTTP__LISTEN").await;
    }
}
