//! The origin and the load of the noisy-neighbour benchmark: one binary, two processes on one core.
//!
//! `noisy_neighbour origin PORT [WORKERS]` serves until it is killed; `noisy_neighbour load` reads a plan
//! from its standard input. `benches/noisy_neighbour/run` starts both; without one of these words it does
//! nothing.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod closed;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod open;
#[cfg(target_os = "linux")]
mod origin;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
mod timer;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod work;
#[cfg(target_os = "linux")]
mod workers;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&words)
}

#[cfg(target_os = "linux")]
fn run(words: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Read;

    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
    };
    match words {
        ["origin", port] => Ok(runtime()?.block_on(origin::serve(port.parse()?, 64))?),
        ["origin", port, workers] => Ok(runtime()?.block_on(origin::serve(port.parse()?, workers.parse()?))?),
        ["load"] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            let plan = serde_json::from_str(&text)?;
            let outcome = runtime()?.block_on(load::run(plan))?;
            println!("{outcome}");
            Ok(())
        }
        _ => {
            eprintln!("noisy_neighbour: nothing to do by itself; see benches/noisy_neighbour/run");
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn run(_words: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    eprintln!("noisy_neighbour: needs Linux, for timers finer than a millisecond");
    Ok(())
}
