//! The custom resources, their validation rules, and the reasons that are public API.
