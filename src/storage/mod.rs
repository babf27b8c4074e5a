//! Read-only access to the object stores that hold repositories.
