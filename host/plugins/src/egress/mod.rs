//! What a check may send, and where. All of it is decided here.
//!
//! # Why so narrow
//! A check is code that somebody else wrote, and it runs inside the operator's network with the operator's routes. What it
//! could do with a general HTTP client is the reason for each rule:
//!
//! * **Named targets.** A check says `pod`, `router` or `host:NAME`; the address behind the name comes from the cluster, the
//!   configuration or the grant. So there is nothing to trick with ports, userinfo, trailing dots or upper case, and a check
//!   that leaks what it saw learns no address.
//! * **GET, HEAD and POST.** A check judges; it has no use for DELETE or PUT. (POST is how a completion is asked for.)
//! * **The path stays below the target's own.** The router may be configured with a path, a grant may name one. Servers and
//!   proxies differ in how they read `..`, `%2e%2e`, `\` or a second `/` at the start, so such paths are refused instead of
//!   normalised: what was checked is what is sent.
//! * **No framing or identity headers.** Who sets `Content-Length` or `Transfer-Encoding` can smuggle a second request; who
//!   sets `Host`, `Authorization` or `X-Forwarded-For` can be somebody else. The credential of a target is added by the host,
//!   after the check's own headers, and is taken out of answers that echo it.
//! * **Addresses are checked where they are used.** A name is resolved when a connection is opened, the addresses are checked,
//!   and the connection goes to exactly those, so a name that resolves to something else the next moment gains nothing
//!   (DNS rebinding). Link-local and metadata addresses are where clouds hand out credentials. See `address.rs`.
//! * **Redirects are answers.** The check sees the 302; nobody follows it.
//! * **Bounded.** Headers, bodies, number of requests and time are limited; see [`crate::Limits`].
//!
//! # Accepted forms
//! | part | accepted | refused, for example |
//! |---|---|---|
//! | target | `pod`, `router`, `host:NAME` | `Pod`, `host:`, `http://10.0.0.1` |
//! | method | `GET`, `HEAD`, `POST` | `get`, `DELETE`, `CONNECT` |
//! | path | `/v1/models`, `/a?b=c/../d` | `v1`, `//evil/x`, `/a/../b`, `/a/%2e%2E/b`, `/a\b`, `/a#b`, `/a b`, `/ä` |
//! | header name | `content-type`, `x-request-id` | `Host`, `Authorization`, `Transfer-Encoding`, `X-Forwarded-For`, `a b` |
//! | header value | visible ASCII, spaces, tabs | anything with CR, LF or NUL |

mod address;
mod client;
mod request;

pub(crate) use client::Client;
pub use client::Endpoint;
pub(crate) use request::{Admitted, Refusal, Target, admit};
