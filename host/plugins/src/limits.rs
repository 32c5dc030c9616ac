//! What one run of a check may use.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// Bounds for one run of one check. The defaults are far above what an honest check needs: measured, a Rust component
/// uses 1.2 MiB of memory, Python 12 MiB.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories of the component.
    pub memory: usize,
    /// Elements of all tables, summed; each costs a pointer.
    pub table_elements: usize,
    /// Core instances. Python components link some dozens.
    pub instances: usize,
    /// Memories.
    pub memories: usize,
    /// Tables.
    pub tables: usize,
    /// Bytes that one call may pass from the component to the host.
    pub bytes_per_call: usize,
    /// Open handles.
    pub handles: usize,
    /// Calls of imported functions.
    pub calls: u64,
    /// HTTP requests.
    pub http_requests: u32,
    /// Bytes of all request bodies.
    pub http_sent: usize,
    /// Bytes of one answer's body.
    pub http_response: usize,
    /// Bytes of all answers' bodies.
    pub http_received: usize,
    /// Bytes of log lines kept; what is beyond is dropped and counted.
    pub log_bytes: usize,
    /// Bytes of stdout and stderr kept, each.
    pub stdio_bytes: usize,
    /// The longest deadline that a manifest can ask for.
    pub longest_run: Duration,
    /// The deadline of `describe()`.
    pub describe: Duration,
    /// Runs side by side.
    pub concurrency: usize,
    /// Wall time for compiling; the compiler is killed after it.
    pub compile: Duration,
    /// Bytes of a component file.
    pub component: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 * MIB,
            table_elements: 1_000_000,
            instances: 100,
            memories: 16,
            tables: 64,
            bytes_per_call: 16 * MIB,
            handles: 10_000,
            calls: 100_000,
            http_requests: 256,
            http_sent: 4 * MIB,
            http_response: 4 * MIB,
            http_received: 32 * MIB,
            log_bytes: 64 * 1024,
            stdio_bytes: 32 * 1024,
            longest_run: Duration::from_secs(600),
            describe: Duration::from_secs(5),
            concurrency: 8,
            compile: Duration::from_secs(120),
            component: 64 * MIB,
        }
    }
}

/// Counts memory over a whole store. wasmtime's own `StoreLimits` counts each memory for itself, so that a component with
/// four memories would get four times as much.
///
/// A refused growth is an ordinary failure for the component, which may cope with it. The refusal is remembered, because
/// what follows is mostly an `unreachable` that says nothing.
#[derive(Debug)]
pub(crate) struct ResourceLimiter {
    limits: Limits,
    memory: usize,
    elements: usize,
    last: usize,
    refusal: Option<String>,
}

impl ResourceLimiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            memory: 0,
            elements: 0,
            last: 0,
            refusal: None,
        }
    }

    /// The last growth that was refused, in words.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}

impl wasmtime::ResourceLimiter for ResourceLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.last = desired.saturating_sub(current);
        let total = self.memory.saturating_add(self.last);
        if total > self.limits.memory {
            self.last = 0;
            let (wanted, allowed) = (total.div_ceil(MIB), self.limits.memory / MIB);
            self.refusal = Some(format!("it wanted {wanted} MiB of memory and may use {allowed} MiB"));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // After a refusal this takes back nothing.
        self.memory = self.memory.saturating_sub(std::mem::take(&mut self.last));
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            let allowed = self.limits.table_elements;
            self.refusal = Some(format!("it wanted {total} table elements and may use {allowed}"));
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter as _;

    use super::*;

    fn growth() -> ResourceLimiter {
        ResourceLimiter::new(&Limits {
            memory: 10 * MIB,
            table_elements: 100,
            ..Limits::default()
        })
    }

    #[test]
    fn memories_are_summed() {
        let mut growth = growth();
        assert!(growth.memory_growing(0, 6 * MIB, None).unwrap());
        assert!(!growth.memory_growing(0, 6 * MIB, None).unwrap());
        assert_eq!(growth.refusal(), Some("it wanted 12 MiB of memory and may use 10 MiB"));
    }

    #[test]
    fn growth_that_failed_for_another_reason_is_not_counted() {
        let mut growth = growth();
        assert!(growth.memory_growing(0, 6 * MIB, Some(MIB)).unwrap());
        growth
            .memory_grow_failed(wasmtime::Error::msg("beyond the memory's own maximum"))
            .unwrap();
        assert!(growth.memory_growing(0, 10 * MIB, None).unwrap());
    }

    #[test]
    fn tables_are_summed_too() {
        let mut growth = growth();
        assert!(growth.table_growing(0, 60, None).unwrap());
        assert!(!growth.table_growing(0, 60, None).unwrap());
        assert!(growth.refusal().unwrap().contains("120 table elements"));
    }
}
