//! Pure rules about WAL, backups and time: no runtime, no Kubernetes, no clock.
