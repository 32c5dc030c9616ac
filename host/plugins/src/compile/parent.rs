//! The side that starts the child and waits for it, but not for long.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use vllm_rollback_engine::failure::Failure;

use super::{CHILD_ARGUMENT, frame};
use crate::untrusted;

/// Command that starts the child.
#[derive(Debug, Clone)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Compiler {
    /// This very binary; its `main` must hand [`CHILD_ARGUMENT`] to [`super::run_compile_child`].
    ///
    /// # Errors
    /// `Internal` when the system does not tell where the binary is.
    pub fn this_binary() -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::internal("cannot find this tool's own binary").caused_by(&error))?;
        Ok(Self::program(program, [CHILD_ARGUMENT]))
    }

    /// Another program that ends in [`super::run_compile_child`].
    pub fn program(program: PathBuf, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// Compiles components side by side; for each, in order, its machine code or why there is none.
    pub(crate) async fn compile(&self, wasm: &[&[u8]], deadline: Duration) -> Vec<Result<Vec<u8>, Failure>> {
        let mut answers = Vec::new();
        let end = match self.start() {
            Ok(mut child) => {
                let talk = tokio::time::timeout(deadline, talk(&mut child, wasm, &mut answers)).await;
                let end = match talk {
                    Ok(Ok(said)) => ended(&mut child, &said).await,
                    Ok(Err(error)) => failed(&error.to_string()),
                    Err(_) => Failure::timeout(format!(
                        "it did not compile within {} s and was stopped",
                        deadline.as_secs()
                    )),
                };
                // Dropping it would kill it too, but leave it to be reaped by chance.
                let _ = child.kill().await;
                end
            }
            Err(failure) => failure,
        };
        let mut results: Vec<_> = wasm.iter().map(|_| Err(end.clone())).collect();
        for (number, result) in parse(&answers) {
            if let Some(place) = results.get_mut(number) {
                *place = result;
            }
        }
        results
    }

    fn start(&self) -> Result<Child, Failure> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::external("cannot start the compiler").caused_by(&error))
    }
}

fn failed(why: &str) -> Failure {
    Failure::invalid("it cannot be compiled").because(why)
}

/// Gives the components, takes what comes back until the child closes stdout, and then the start of its stderr.
async fn talk(child: &mut Child, wasm: &[&[u8]], answers: &mut Vec<u8>) -> std::io::Result<String> {
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(std::io::Error::other("the compiler has no pipes"));
    };
    let give = async {
        for one in wasm {
            stdin.write_all(&(one.len() as u64).to_le_bytes()).await?;
            stdin.write_all(one).await?;
        }
        stdin.shutdown().await?;
        drop(stdin);
        std::io::Result::Ok(())
    };
    let mut said = Vec::new();
    let mut stderr = stderr.take(64 * 1024);
    // A child that dies early breaks the pipe; its stderr and exit status say more than that.
    let (_, taken, _) = tokio::join!(give, stdout.read_to_end(answers), stderr.read_to_end(&mut said));
    taken?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Reason why components are missing after the child ended.
async fn ended(child: &mut Child, said: &str) -> Failure {
    let last = untrusted::lines(said, usize::MAX, 200).pop();
    match child.wait().await {
        Ok(status) => match last {
            Some(line) => failed(&line).because(format!("the compiler ended with {status}")),
            None => failed(&format!("the compiler ended with {status}; it may use 4 GiB of memory")),
        },
        Err(error) => failed(&error.to_string()),
    }
}

/// Output of [`super::run_compile_child`], up to where it broke off.
fn parse(mut answers: &[u8]) -> Vec<(usize, Result<Vec<u8>, Failure>)> {
    let mut out = Vec::new();
    loop {
        let mut head = [0; 9];
        if Read::read_exact(&mut answers, &mut head).is_err() {
            return out;
        }
        let [number @ .., sign] = head;
        let Ok(Some(bytes)) = frame::decode(&mut answers) else {
            return out;
        };
        let Ok(number) = usize::try_from(u64::from_le_bytes(number)) else {
            return out;
        };
        let result = match sign {
            b'+' => Ok(bytes),
            _ => Err(failed(&untrusted::line(&String::from_utf8_lossy(&bytes), 300))),
        };
        out.push((number, result));
    }
}
