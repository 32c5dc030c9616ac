//! Bytes as people read and compare them.

/// Writes bytes as hex digits, two for each.
///
/// ```
/// assert_eq!(vllm_rollback_objects::hex::hex(&[0x00, 0xa5]), "00a5");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
