//! Names of pgBackRest's files.
pub const INSTANCE_KEY: &str = "pgbackrest_instance.conf";
pub const SERVER_KEY: &str = "pgbackrest-server.conf";
pub const INCLUDE_DIRECTORY: &str = "/etc/pgbackrest/conf.d";
pub const FILE_NAME: &str = "~holdfast.conf";
pub const SERVER_FILE_NAME: &str = "~holdfast_server.conf";
pub const TLS_DIRECTORY: &str = "/etc/pgbackrest-tls";
