use abide::{
    Abide, Clock, SystemClock,
    server::{Server, ServerOptions},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Certificates, Client},
    demo,
    failure::Outcome,
    session::Session,
};

/// What is called: the node at the address, or one of our own on a temporary file.
pub(super) struct Target {
    session: Session,
    store: Option<String>,
    client: Option<Client>,
    own: Option<Own>,
}

/// A node in this process.
struct Own {
    abide: Abide,
    folder: Option<std::path::PathBuf>,
    server: Option<(CancellationToken, JoinHandle<abide::Result<()>>)>,
}

impl Target {
    pub(super) fn new(session: Session, store: Option<String>) -> Self {
        Self { session, store, client: None, own: None }
    }

    /// The node over HTTP.
    pub(super) async fn client(&mut self) -> Outcome<Client> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let named = self.session.client()?;
        let client = match named.connect().await {
            Ok(_) => named,
            Err(_) => {
                let url = self.serve().await?;
                self.session.output.note(format!("no node runs at {}: measuring one of our own", self.session.url));
                Client::new(&url, &Certificates::default())?
            }
        };
        self.client = Some(client.clone());
        Ok(client)
    }

    /// The node in this process.
    pub(super) async fn node(&mut self) -> Outcome<Abide> {
        if let Some(own) = &self.own {
            return Ok(own.abide.clone());
        }
        let (store, folder) = match &self.store {
            Some(store) => (store.clone(), None),
            None => {
                let folder = std::env::temp_dir().join(format!("abide-bench-{:016x}", SystemClock.random()));
                std::fs::create_dir_all(&folder)?;
                (format!("sqlite:{}", folder.join("abide.db").display()), Some(folder))
            }
        };
        let abide = demo::register(Abide::open(store)).start().await?;
        self.own = Some(Own { abide: abide.clone(), folder, server: None });
        Ok(abide)
    }

    #[expect(clippy::disallowed_methods, reason = "the server is stopped and waited for in `stop`")]
    async fn serve(&mut self) -> Outcome<String> {
        let node = self.node().await?.node().clone();
        let server = Server::bind(node, ServerOptions::on("127.0.0.1:0")).await?;
        let url = format!("http://{}", server.local_addr());
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run_until(stop.clone().cancelled_owned()));
        if let Some(own) = &mut self.own {
            own.server = Some((stop, task));
        }
        Ok(url)
    }

    /// Stops a node of our own and removes its file.
    pub(super) async fn stop(self) -> Outcome {
        let Some(Own { abide, folder, server }) = self.own else {
            return Ok(());
        };
        match server {
            Some((stop, task)) => {
                stop.cancel();
                task.await.map_err(std::io::Error::other)??;
            }
            None => abide.shutdown().await?,
        }
        drop(abide);
        match folder {
            Some(folder) => Ok(std::fs::remove_dir_all(folder)?),
            None => Ok(()),
        }
    }
}
