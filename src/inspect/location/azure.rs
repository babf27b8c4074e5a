//! Azure: `AZURE_STORAGE_…`, alone or as a connection string.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Context, InspectError, Server};
use crate::{
    domain::secret::Secret,
    pgbackrest::access::split_endpoint,
    storage::azure::{AzureCredentials, AzureSettings},
};

/// Where accounts are while nothing else is said.
const SUFFIX: &str = "core.windows.net";

/// The parts of `AccountName=…;AccountKey=…;EndpointSuffix=…` that are used.
#[derive(Default)]
struct Connection {
    account: Option<String>,
    key: Option<Secret>,
    signature: Option<Secret>,
    suffix: Option<String>,
    endpoint: Option<String>,
}

impl Connection {
    fn parse(text: &str) -> Self {
        let mut connection = Self::default();
        // Values may hold a `=`: keys are base64.
        for (name, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "AccountName" => connection.account = Some(value.to_owned()),
                "AccountKey" => connection.key = Some(value.into()),
                "SharedAccessSignature" => connection.signature = Some(value.into()),
                "EndpointSuffix" => connection.suffix = Some(value.to_owned()),
                "BlobEndpoint" => connection.endpoint = Some(value.to_owned()),
                _ => {}
            }
        }
        connection
    }
}

impl Context<'_> {
    pub(super) fn azure(&self, container: &str) -> Result<AzureSettings, InspectError> {
        let connection = self
            .environment
            .first(&["AZURE_STORAGE_CONNECTION_STRING"])
            .map(|text| Connection::parse(text.expose()))
            .unwrap_or_default();
        let account = self
            .environment
            .text(&["AZURE_STORAGE_ACCOUNT"])
            .map(str::to_owned)
            .or_else(|| connection.account.clone())
            .ok_or_else(|| {
                InspectError::Usage(
                    "no Azure account is named: set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING"
                        .to_owned(),
                )
            })?;
        let (server, in_path) = self.azure_server(&connection, &account)?;
        Ok(AzureSettings {
            container: container.to_owned(),
            host: server.host,
            port: server.port,
            path_style: self.options.path_style.unwrap_or(in_path),
            trust: self.trust(&[])?,
            credentials: self.azure_credentials(connection)?,
            account,
        })
    }

    /// Where to connect to, and whether the account is in the path there.
    fn azure_server(&self, connection: &Connection, account: &str) -> Result<(Server, bool), InspectError> {
        if let Some(server) = self.endpoint(&[])? {
            return Ok((server, true));
        }
        let suffix = connection.suffix.as_deref().unwrap_or(SUFFIX);
        let usual = || Server {
            host: format!("blob.{suffix}"),
            port: 443,
        };
        let Some(endpoint) = &connection.endpoint else {
            return Ok((usual(), false));
        };
        let wrong =
            |problem| InspectError::Usage(format!("the BlobEndpoint of the connection string {problem}"));
        let (begin, in_path) = match endpoint
            .trim_end_matches('/')
            .strip_suffix(&format!("/{account}"))
        {
            Some(begin) => (begin, true),
            None => (endpoint.as_str(), false),
        };
        let (host, port) = split_endpoint(begin).map_err(wrong)?;
        // The account is put before the host again where it is not in the path.
        let host = host
            .strip_prefix(&format!("{account}."))
            .map_or(host.clone(), str::to_owned);
        let port = port.unwrap_or(443);
        Ok((Server { host, port }, in_path))
    }

    fn azure_credentials(&self, connection: Connection) -> Result<AzureCredentials, InspectError> {
        let key = self.environment.first(&["AZURE_STORAGE_KEY"]).cloned();
        let signature = self.environment.first(&["AZURE_STORAGE_SAS_TOKEN"]).cloned();
        if let Some(key) = key.or(connection.key) {
            if BASE64_STANDARD.decode(key.expose()).is_err() {
                return Err(InspectError::Usage(
                    "AZURE_STORAGE_KEY is no account key: that is base64 text. A shared access signature goes into \
                     AZURE_STORAGE_SAS_TOKEN"
                        .to_owned(),
                ));
            }
            return Ok(AzureCredentials::Shared(key));
        }
        Ok(signature
            .or(connection.signature)
            .map_or(AzureCredentials::Ambient, AzureCredentials::Sas))
    }
}
