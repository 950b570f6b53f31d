//! `relynt-bench`: each command does one thing and prints one JSON object.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use relynt_bench::ids::{Keys, Order};
use relynt_bench::sample::{self, Mix, Outcome};
use relynt_bench::servers::Answer;
use relynt_bench::template::{Common, Templates};
use relynt_bench::{closed, disk, evaluate, fill, open, servers, waiters};

#[derive(Debug, Parser)]
#[command(about = "What the benchmark of Relynt is made of")]
enum Command {
    /// Load with so many connections, each of which sends again once it is answered
    Closed {
        #[command(flatten)]
        requests: Requests,
        /// Seconds that are measured
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
        /// Seconds before that
        #[arg(long, default_value_t = 0.3)]
        warm_up: f64,
        /// End after so many answers
        #[arg(long)]
        count: Option<u64>,
    },
    /// Load at a fixed rate, whatever is answered
    Open {
        #[command(flatten)]
        requests: Requests,
        /// Requests a second
        #[arg(long)]
        rate: f64,
        /// Seconds of sending
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
        /// Seconds to wait for the last answers
        #[arg(long, default_value_t = 10.0)]
        tail: f64,
    },
    /// Let callers wait
    Waiters {
        #[command(flatten)]
        requests: Requests,
        /// Seconds after which it ends
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
    },
    /// Serve with nothing but hyper
    Serve {
        /// What is answered
        #[arg(value_enum)]
        answer: Answer,
        /// Threads
        #[arg(long, default_value_t = 2)]
        workers: usize,
        /// Port on loopback; 0 is any free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Append and sync, over and over
    Disk {
        /// Where
        #[arg(long)]
        folder: PathBuf,
        /// Bytes of a record
        #[arg(long, default_value_t = 800)]
        bytes: usize,
        /// Seconds
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
    },
    /// Print the rules of a policy
    Rules(MixArguments),
    /// Print a policy of Cerbos
    CerbosPolicy(MixArguments),
    /// Print bodies, one a line
    Bodies {
        /// What comes of them
        #[arg(value_enum)]
        outcome: Outcome,
        /// How many
        #[arg(long, default_value_t = 10_000)]
        count: usize,
        /// Bytes more than about 300
        #[arg(long, default_value_t = 0)]
        padding: usize,
        /// With a place for a number that is never the same
        #[arg(long)]
        unique: bool,
        /// As a check of Cerbos
        #[arg(long)]
        cerbos: bool,
        /// As an evaluation of Agent Control
        #[arg(long, conflicts_with = "cerbos")]
        agent_control: bool,
    },
    /// Print keys, one a line
    Keys {
        /// In which order
        #[arg(long, value_enum, default_value = "ordered")]
        order: Order,
        /// How many
        #[arg(long, default_value_t = 10_000)]
        count: usize,
    },
    /// Make receipts in the folder of a `relynt dev` that does not run; the agent's secret is the
    /// first line of standard input
    Fill {
        /// The folder
        #[arg(long)]
        folder: PathBuf,
        /// How many
        #[arg(long)]
        count: u64,
        /// In which order keys come
        #[arg(long, value_enum, default_value = "ordered")]
        order: Order,
        /// Calls under way at once
        #[arg(long, default_value_t = 512)]
        at_once: u64,
    },
    /// Evaluate in process
    Evaluate {
        #[command(flatten)]
        mix: MixArguments,
        /// Seconds
        #[arg(long, default_value_t = 1.0)]
        seconds: f64,
    },
}

#[derive(Debug, Args)]
struct MixArguments {
    /// Rules in all
    #[arg(long, default_value_t = 100)]
    rules: usize,
    /// Rules that the request has to look at
    #[arg(long, default_value_t = 50)]
    candidates: usize,
}

impl MixArguments {
    fn mix(&self) -> Mix {
        Mix {
            rules: self.rules,
            candidates: self.candidates,
        }
    }
}

#[derive(Debug, Args)]
struct Requests {
    /// Where
    #[arg(long)]
    address: SocketAddr,
    /// How many connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Path and query
    #[arg(long, default_value = "/")]
    path: String,
    /// A file of headers, `name: value` a line: credentials are no arguments
    #[arg(long)]
    headers: Option<PathBuf>,
    /// A file of secrets of agents, one a line, that take turns
    #[arg(long)]
    credentials: Option<PathBuf>,
    /// A file of bodies, one a line; without it `GET` is sent
    #[arg(long)]
    bodies: Option<PathBuf>,
    /// Send an idempotency key, in this order
    #[arg(long, value_enum)]
    order: Option<Order>,
    /// A file of keys, one for each body
    #[arg(long, conflicts_with = "order")]
    keys: Option<PathBuf>,
    /// What every answer with status 200 has to contain
    #[arg(long)]
    expect: Option<String>,
}

impl Requests {
    fn templates(&self) -> Result<Templates> {
        let lines = |path: &Option<PathBuf>| -> Result<Option<Vec<String>>> {
            let Some(path) = path else { return Ok(None) };
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Ok(Some(text.lines().map(str::to_owned).collect()))
        };
        let headers = lines(&self.headers)?.unwrap_or_default();
        let bodies = lines(&self.bodies)?;
        let credentials = lines(&self.credentials)?.unwrap_or_default();
        let listed = lines(&self.keys)?;
        let common = Common {
            method: if bodies.is_some() { "POST" } else { "GET" },
            path: &self.path,
            headers: &headers,
            credentials: &credentials,
            keyed: self.order.is_some() || listed.is_some(),
        };
        let keys = Keys::new(self.order.unwrap_or(Order::Ordered));
        Templates::new(&common, &bodies.unwrap_or_default(), listed, keys)
    }
}

fn main() -> Result<()> {
    let seconds = Duration::from_secs_f64;
    match Command::parse() {
        Command::Closed {
            requests,
            seconds: time,
            warm_up,
            count,
        } => {
            let plan = closed::Plan {
                address: requests.address,
                connections: requests.connections,
                warm_up: seconds(warm_up),
                time: seconds(time),
                count,
                expect: requests.expect.as_deref().map(str::as_bytes),
            };
            println!("{}", closed::run(&plan, &mut requests.templates()?)?.json());
        }
        Command::Open {
            requests,
            rate,
            seconds: time,
            tail,
        } => {
            let plan = open::Plan {
                address: requests.address,
                connections: requests.connections,
                rate,
                time: seconds(time),
                tail: seconds(tail),
                expect: requests.expect.as_deref().map(str::as_bytes),
            };
            println!("{}", open::run(&plan, &mut requests.templates()?)?);
        }
        Command::Waiters {
            requests,
            seconds: time,
        } => {
            let mut templates = requests.templates()?;
            let done = waiters::run(
                requests.address,
                requests.connections,
                seconds(time),
                &mut templates,
            )?;
            println!("{done}");
        }
        Command::Serve {
            answer,
            workers,
            port,
        } => servers::serve(answer, workers, port)?,
        Command::Disk {
            folder,
            bytes,
            seconds: time,
        } => {
            println!("{}", disk::run(&folder, bytes, seconds(time))?);
        }
        Command::Rules(mix) => println!("{}", sample::rules(mix.mix())),
        Command::CerbosPolicy(mix) => println!("{}", sample::cerbos_policy(mix.mix())),
        Command::Bodies {
            outcome,
            count,
            padding,
            unique,
            cerbos,
            agent_control,
        } => {
            for number in 0..count {
                let body = if cerbos {
                    sample::cerbos_body(number)
                } else if agent_control {
                    sample::agent_control_body(number)
                } else {
                    sample::body(outcome, number, padding, unique)
                };
                println!("{body}");
            }
        }
        Command::Keys { order, count } => {
            let mut keys = Keys::new(order);
            for _ in 0..count {
                println!("{}", uuid::Uuid::from_bytes(keys.next_bytes()));
            }
        }
        Command::Fill {
            folder,
            count,
            order,
            at_once,
        } => {
            let mut secret = String::new();
            std::io::stdin().read_line(&mut secret)?;
            let plan = fill::Plan {
                count,
                order,
                at_once,
            };
            println!("{}", fill::run(&folder, secret.trim(), plan)?);
        }
        Command::Evaluate { mix, seconds: time } => {
            println!("{}", evaluate::run(mix.mix(), seconds(time))?);
        }
    }
    Ok(())
}
