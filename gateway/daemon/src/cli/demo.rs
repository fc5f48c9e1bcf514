//! `orderly demo`: a gateway and a simulated hospital in one process, over real MQTT and real Modbus TCP.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::Demo;
use super::run::{Asked, end, runtime, wait_for_the_end};
use super::{Context, Failure, Lang, inventory, out};
use crate::config::{ModbusDevice, ModbusSettings, Settings, Span};
use crate::observe::log;
use crate::runtime::clock::SystemClock;
use crate::runtime::daemon::{Daemon, Start};
use crate::simulate::{self, Options, Simulation};

/// Ports that are tried in turn before any free one is taken.
const NEXT_PORTS: u16 = 20;

/// Runs the demo until Ctrl-C.
pub fn demo(context: &Context, what: &Demo) -> Result<(), Failure> {
    let mut settings = context.load()?.settings;
    if settings.log == crate::config::LogSettings::default() {
        "warn".clone_into(&mut settings.log.level);
    }
    log::start(&settings.log).map_err(Failure::Other)?;
    let folder = Folder::open(what.data.as_deref())?;
    settings.data_dir = folder.path.clone();
    let ports = [8080, 1883, 1502].map(Port::free);
    settings.http.bind = ports[0].address.to_string();
    settings.listener.bind = ports[1].address.to_string();
    settings.listener.enabled = true;
    let runtime = runtime()?;
    let shown = runtime.block_on(show(context, what, settings, ports));
    runtime.shutdown_background();
    shown.and_then(|()| folder.close())
}

async fn show(
    context: &Context,
    what: &Demo,
    mut settings: Settings,
    [http, mqtt, modbus]: [Port; 3],
) -> Result<(), Failure> {
    let clock = Arc::new(SystemClock::start().map_err(Failure::because)?);
    let stop = CancellationToken::new();
    let options = Options {
        site: settings.site.clone(),
        seed: what.seed,
        scale: what.scale,
        pace: what.pace,
        faults: what.faults,
        incidents: true,
        makers: true,
        mqtt: Some(settings.listener.bind.clone()),
        modbus: Some(modbus.address),
        ledger: what.ledger.clone(),
        ..Options::default()
    };
    drop(modbus);
    let tables = simulate::tables(&options);
    let simulation =
        Simulation::open(options, Arc::clone(&clock) as _, stop.clone()).await.map_err(Failure::because)?;
    if settings.registry_folder().is_none() {
        settings.registry.dir = Some(places(&settings.data_dir, &tables)?);
    }
    settings.modbus.insert("demo".to_owned(), polled(&simulation));
    // Nothing real moves here.
    settings.commands.allow = vec!["*/*".to_owned()];
    let listed = (settings.clone(), simulation.list());
    let mut start = Start::new(settings, context.credentials());
    start.clock = Some(clock);
    let mut asked = Asked::listen().map_err(Failure::because)?;
    drop((http, mqtt));
    let daemon = Daemon::start(start).await?;
    // Models of makers speak only when they are on the register.
    let entered = tokio::task::spawn_blocking(move || inventory::enter(&listed.0, &listed.1)).await;
    entered.map_err(Failure::because)??;
    announce(context.lang, &daemon, &simulation);
    let simulating = tokio::spawn(simulation.run());
    wait_for_the_end(&daemon, &mut asked).await;
    stop.cancel();
    // The devices go first, so that the ledger knows which acknowledgements came.
    match tokio::time::timeout(std::time::Duration::from_millis(800), simulating).await {
        Ok(Ok(Ok(summary))) => out::error(&super::simulate::told(context.lang, &summary)),
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the simulated hospital ended badly"),
        Ok(Err(error)) => tracing::warn!(%error, "the simulated hospital ended badly"),
        Err(_) => tracing::debug!("the simulated hospital did not end in time"),
    }
    end(daemon, asked).await
}

fn announce(lang: Lang, daemon: &Daemon, simulation: &Simulation) {
    let (publishing, polled) = simulation.sizes();
    let mqtt = daemon.mqtt.map(|address| address.to_string()).unwrap_or_default();
    let modbus = simulation.modbus().map(|address| address.to_string()).unwrap_or_default();
    let http = daemon.http;
    for line in match lang {
        Lang::Zh => [
            format!("看板      http://{http}"),
            format!("MQTT      {mqtt}（{publishing} 台模拟设备）"),
            format!("Modbus    {modbus}（{polled} 台模拟设备）"),
            "按 Ctrl-C 结束。演示数据，非医疗报警。".to_owned(),
        ],
        Lang::En => [
            format!("boards    http://{http}"),
            format!("MQTT      {mqtt} ({publishing} simulated devices)"),
            format!("Modbus    {modbus} ({polled} simulated devices)"),
            "Ctrl-C ends it. Simulated data; not a medical alarm.".to_owned(),
        ],
    } {
        out::line(&line);
    }
}

/// The registry of the simulated hospital, as a site would keep its own.
fn places(data: &Path, tables: &[(&str, String)]) -> Result<PathBuf, Failure> {
    let folder = data.join("registry");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| tables.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text)));
    written.map_err(|error| Failure::Other(format!("{}: {error}", folder.display())))?;
    Ok(folder)
}

/// The simulated Modbus devices as a settings file would name them.
fn polled(simulation: &Simulation) -> ModbusSettings {
    let device = simulation.units().map(|name| ModbusDevice {
        id: name.device.to_string(),
        class: name.class.to_string(),
        profile: name.profile.to_string(),
        unit: name.unit,
        every: Span::seconds(2),
        ..ModbusDevice::default()
    });
    let address = simulation.modbus().map(|address| address.to_string()).unwrap_or_default();
    ModbusSettings { address, device: device.collect(), ..ModbusSettings::default() }
}

/// A port of loopback that nobody else can take while this is held: another demo may start at the same moment.
struct Port {
    address: SocketAddr,
    _held: Option<TcpListener>,
}

impl Port {
    /// The wanted port or one of the next; any free one if all are taken.
    fn free(wanted: u16) -> Self {
        let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let near = wanted..wanted.saturating_add(NEXT_PORTS);
        let held = near.chain([0]).find_map(|port| TcpListener::bind(here(port)).ok());
        let address = held.as_ref().and_then(|held| held.local_addr().ok());
        Self { address: address.unwrap_or_else(|| here(wanted)), _held: held }
    }
}

/// Where the demo's data are, and whether they stay.
struct Folder {
    path: PathBuf,
    stays: bool,
}

impl Folder {
    fn open(chosen: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = chosen {
            return Ok(Self { path: path.to_owned(), stays: true });
        }
        let path = std::env::temp_dir().join(format!("orderly-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))?;
        Ok(Self { path, stays: false })
    }

    fn close(self) -> Result<(), Failure> {
        if self.stays {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.path)
            .map_err(|e| Failure::Other(format!("{}: {e}", self.path.display())))
    }
}
