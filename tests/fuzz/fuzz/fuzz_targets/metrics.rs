#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vllm_rollback_fuzz::targets::metrics(data));
