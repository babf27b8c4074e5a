//! Database users and what is created for them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One database user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Name of the role.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// Databases that are created for the user and that it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub databases: Vec<String>,
    /// Attributes as `ALTER ROLE` takes them, for example `SUPERUSER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[^;]*$"), length(max = 200))]
    pub options: Option<String>,
    /// How the password is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Name of the Secret; `<cluster>-pguser-<name>` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub secret_name: Option<String>,
    /// Let the user create objects in the schema `public` of its databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_public_schema_access: Option<bool>,
}

/// How a password is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    /// Characters to choose from.
    #[serde(rename = "type", default)]
    pub type_: PasswordType,
}

/// Characters of a generated password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PasswordType {
    /// Any printable ASCII character.
    #[default]
    #[serde(rename = "ASCII")]
    Ascii,
    /// Letters and digits.
    AlphaNumeric,
}

/// SQL in a `ConfigMap`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitSql {
    /// Name of the `ConfigMap`.
    pub name: String,
    /// Key that holds the SQL.
    pub key: String,
}
