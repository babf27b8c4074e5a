//! Azure: `repoN-azure-…`. Defaults and their exceptions are those of pgBackRest's Azure storage.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{AccessError, AzureCredentials, AzureSettings, Options};
use crate::domain::secret::Secret;

/// Where an account is while nothing else is said.
const ENDPOINT: &str = "blob.core.windows.net";

impl Options<'_> {
    pub(super) fn azure(&self, container: &str) -> Result<AzureSettings, AccessError> {
        let server = self.server(ENDPOINT, "azure")?;
        let path_style = match self.get("azure-uri-style") {
            // Another host means an emulator to pgBackRest, which has no name for each account.
            None => server.replaced,
            Some("host") => false,
            Some("path") => true,
            Some(_) => return Err(self.wrong("azure-uri-style", "must be host or path")),
        };
        Ok(AzureSettings {
            container: self.get("azure-container").unwrap_or(container).to_owned(),
            account: self.needed("azure-account")?.expose().to_owned(),
            host: server.host,
            port: server.port,
            path_style,
            trust: self.trust()?,
            credentials: self.azure_credentials()?,
        })
    }

    fn azure_credentials(&self) -> Result<AzureCredentials, AccessError> {
        match self.get("azure-key-type") {
            None | Some("shared") => {
                let key = self.needed("azure-key")?;
                if BASE64_STANDARD.decode(key.expose()).is_err() {
                    return Err(self.wrong(
                        "azure-key",
                        "must be the account's key, which is base64 text; for a shared access signature set azure-key-type=sas",
                    ));
                }
                Ok(AzureCredentials::Shared(key))
            }
            Some("sas") => {
                let signature: Secret = self.needed("azure-key")?;
                if !signature.expose().contains("sig=") {
                    return Err(
                        self.wrong("azure-key", "must be a shared access signature, with a part sig=")
                    );
                }
                Ok(AzureCredentials::Sas(signature))
            }
            Some("auto") => Ok(AzureCredentials::Ambient),
            Some(_) => Err(self.wrong("azure-key-type", "must be shared, sas or auto")),
        }
    }
}
