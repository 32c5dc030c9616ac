//! What the sandbox asks on behalf of checks.
