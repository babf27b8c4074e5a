//! What runs inside pods: the instance agent, the backup agent, the binary's installation.

pub mod desired;
pub mod report;
