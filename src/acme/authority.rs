//! An authority: the account there, and orders.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, ExternalAccountKey, Identifier,
    NewAccount, NewOrder, OrderStatus, Problem,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::RootCertStore;
use tokio::time::sleep;

use super::challenges::{Challenges, Placement};
use super::heard::listening;
use super::http::Server;
use super::{Challenge, Kind, Leaf, Proof, Trouble};

/// How often something is said again that the authority did not take for its nonce. It says so itself that this is to be done (RFC 8555 §6.5).
const NONCES_MAX: usize = 10;
/// The pause before it is asked first how an order stands, and the longest one.
const POLL: Duration = Duration::from_millis(150);
const POLL_MAX: Duration = Duration::from_secs(4);

/// Which authority, and who we are there.
#[derive(Debug, Clone)]
pub struct AuthorityTerms {
    /// The URL of its directory.
    pub directory: String,
    /// Whom it may write to: `mailto:…`.
    pub contact: Vec<String>,
    /// Who vouches for its server.
    pub roots: Arc<RootCertStore>,
    /// The account that the operator has with it otherwise (RFC 8555 §7.3.4).
    pub external: Option<ExternalAccount>,
}

/// An account that the operator has with an authority otherwise.
#[derive(Clone)]
pub struct ExternalAccount {
    /// Its id.
    pub key_id: String,
    /// Its key.
    pub hmac_key: Vec<u8>,
}

/// An authority that we have an account with.
#[derive(Clone)]
pub struct Authority {
    account: Account,
}

/// What is wanted.
pub struct Order<'o> {
    /// The name.
    pub name: &'o str,
    /// The certificate that the new one takes the place of.
    pub replaces: Option<&'o Leaf>,
    /// The ways to show that the name leads here, the first to be tried first.
    pub challenges: &'o [Challenge],
    /// Where the authority finds what it looks for.
    pub answers: &'o Arc<Challenges>,
    /// Told what the authority is answered, before that is told to look.
    pub share: &'o dyn Fn(Proof) -> Pin<Box<dyn Future<Output = ()> + 'o>>,
    /// Told how far it has come.
    pub step: &'o dyn Fn(Step),
}

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is placed.
    Ordered,
    /// The authority looks whether the name leads here.
    Challenged(Challenge),
    /// It has seen that, and issues.
    Issuing,
}

/// A certificate that was issued.
pub struct Issued {
    /// It and those that lead to its authority, in PEM.
    pub chain: String,
    /// Its private key, in PEM.
    pub key: String,
    /// What it says of itself.
    pub leaf: Leaf,
}

/// When the authority would have a certificate renewed (RFC 9773 §4.2), in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub start_ms: i64,
    /// Not after.
    pub end_ms: i64,
    /// When it is to be asked again.
    pub again: Duration,
}

impl Authority {
    /// Goes on with an account, or makes one: then also what it is gone on with, which is secret.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open(
        terms: &AuthorityTerms,
        credentials: Option<&str>,
    ) -> Result<(Self, Option<String>), Trouble> {
        let server = || {
            let server = Server::trusting(Arc::clone(&terms.roots));
            server.map_err(|error| Trouble::new(Kind::Authority, format!("TLS can't be set up: {error}")))
        };
        let failed = |error: &Error| Trouble::of(error, &terms.directory, None);
        if let Some(credentials) = credentials {
            let credentials: AccountCredentials = serde_json::from_str(credentials)
                .map_err(|_| Trouble::new(Kind::AccountGone, "the stored account can't be read"))?;
            let builder = Account::builder_with_http(Box::new(server()?));
            let account = builder.from_credentials(credentials).await.map_err(|error| failed(&error))?;
            return Ok((Self { account }, None));
        }
        let contact: Vec<&str> = terms.contact.iter().map(String::as_str).collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = terms
            .external
            .as_ref()
            .map(|external| ExternalAccountKey::new(external.key_id.clone(), &external.hmac_key));
        // Each attempt has a key of its own: of one that was refused nothing is left.
        let make = async || {
            let server = server().map_err(|trouble| Error::Other(trouble.words.into()))?;
            let builder = Account::builder_with_http(Box::new(server));
            builder.create(&wanted, terms.directory.clone(), external.as_ref()).await
        };
        let made = listening(async { again(make).await.map_err(|error| failed(&error)) });
        let (account, credentials) = made.await?;
        let credentials = serde_json::to_string(&credentials)
            .map_err(|error| Trouble::new(Kind::Internal, error.to_string()))?;
        Ok((Self { account }, Some(credentials)))
    }

    /// Orders a certificate and waits for it. Bound it in time: an authority may take its own.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn issue(&self, wanted: &Order<'_>) -> Result<Issued, Trouble> {
        listening(self.carry_out(wanted)).await
    }

    async fn carry_out(&self, wanted: &Order<'_>) -> Result<Issued, Trouble> {
        let name = wanted.name;
        let failed = |by: Option<Challenge>| move |error: Error| Trouble::of(&error, name, by);
        let mut order = self.order(wanted).await.map_err(failed(None))?;
        (wanted.step)(Step::Ordered);
        let placed = challenge(&mut order, wanted).await?;
        let by = placed.as_ref().map(|(challenge, _)| *challenge);
        match until(&mut order, |status| status != OrderStatus::Pending).await.map_err(failed(by))? {
            OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => {}
            OrderStatus::Invalid | OrderStatus::Pending => return Err(refused(&mut order, name, by).await),
        }
        drop(placed);
        (wanted.step)(Step::Issuing);
        let (csr, key) = request(name).map_err(|error| Trouble::new(Kind::Internal, error.to_string()))?;
        again(async || order.finalize_csr(&csr).await).await.map_err(failed(by))?;
        let done = |status| matches!(status, OrderStatus::Valid | OrderStatus::Invalid);
        if until(&mut order, done).await.map_err(failed(by))? == OrderStatus::Invalid {
            return Err(refused(&mut order, name, by).await);
        }
        let chain = again(async || order.certificate().await).await.map_err(failed(by))?;
        let chain =
            chain.ok_or_else(|| Trouble::new(Kind::Authority, "the authority gave no certificate"))?;
        let leaf = Leaf::of_chain(&chain)
            .ok_or_else(|| Trouble::new(Kind::Authority, "what the authority gave is no certificate"))?;
        Ok(Issued { chain, key, leaf })
    }

    async fn order(&self, wanted: &Order<'_>) -> Result<instant_acme::Order, Error> {
        let names = [Identifier::Dns(wanted.name.to_owned())];
        if let Some(identifier) = wanted.replaces.and_then(|leaf| leaf.identifier.as_ref()) {
            let order = NewOrder::new(&names).replaces(identifier.clone());
            // That it takes another's place only spares limits. Where the authority won't have it, it is an order like any other.
            match again(async || self.account.new_order(&order).await).await {
                Ok(order) => return Ok(order),
                Err(Error::Api(problem)) if is_rate_limited(&problem) => return Err(Error::Api(problem)),
                Err(_) => {}
            }
        }
        let order = NewOrder::new(&names);
        again(async || self.account.new_order(&order).await).await
    }

    /// When the authority would have a certificate renewed; `None` where it doesn't say such things.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn window(&self, leaf: &Leaf) -> Result<Option<Window>, Trouble> {
        let Some(identifier) = &leaf.identifier else { return Ok(None) };
        match self.account.renewal_info(identifier).await {
            Ok((info, again)) => {
                let ms = |at: i64| at.saturating_mul(1_000);
                let window = &info.suggested_window;
                let start_ms = ms(window.start.unix_timestamp());
                Ok(Some(Window { start_ms, end_ms: ms(window.end.unix_timestamp()), again }))
            }
            Err(Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(Trouble::of(&error, "the certificate", None)),
        }
    }
}

/// Shows the authority that the name leads here, and tells it to look; `None` where it knows already.
async fn challenge(
    order: &mut instant_acme::Order,
    wanted: &Order<'_>,
) -> Result<Option<(Challenge, Placement)>, Trouble> {
    let name = wanted.name;
    let mut nonces = 0;
    loop {
        let mut authorizations = order.authorizations();
        let mut authorization = match authorizations.next().await {
            None => return Ok(None),
            Some(Ok(authorization)) => authorization,
            Some(Err(error)) if is_nonce(&error) && nonces < NONCES_MAX => {
                nonces += 1;
                continue;
            }
            Some(Err(error)) => return Err(Trouble::of(&error, name, None)),
        };
        if authorization.status == AuthorizationStatus::Valid {
            return Ok(None);
        }
        let offered = |challenge: &&Challenge| {
            authorization.challenges.iter().any(|offered| offered.r#type == kind(**challenge))
        };
        let chosen = wanted.challenges.iter().find(offered).copied().ok_or_else(|| {
            Trouble::new(
                Kind::Rejected,
                "the authority offers none of the challenges in `tls.acme.challenges`",
            )
        })?;
        let Some(mut challenge) = authorization.challenge(kind(chosen)) else { return Ok(None) };
        let proof = challenge.key_authorization();
        let placement = match chosen {
            Challenge::Http01 => wanted.answers.place_page(&challenge.token, name, proof.as_str()),
            Challenge::TlsAlpn01 => wanted
                .answers
                .place_certificate(name, proof.digest().as_ref())
                .map_err(|error| Trouble::new(Kind::Internal, error.to_string()))?,
        };
        let token = challenge.token.as_str().into();
        (wanted.share)(Proof { token, key_authorization: proof.as_str().into() }).await;
        (wanted.step)(Step::Challenged(chosen));
        again(async || challenge.set_ready().await)
            .await
            .map_err(|error| Trouble::of(&error, name, Some(chosen)))?;
        return Ok(Some((chosen, placement)));
    }
}

/// Asks how an order stands until it stands so.
async fn until(
    order: &mut instant_acme::Order,
    holds: impl Fn(OrderStatus) -> bool,
) -> Result<OrderStatus, Error> {
    let mut pause = POLL;
    loop {
        let status = order.state().status;
        if holds(status) {
            return Ok(status);
        }
        sleep(pause).await;
        pause = (pause * 2).min(POLL_MAX);
        again(async || order.refresh().await.map(drop)).await?;
    }
}

/// Why an order was refused: what was said of its challenge, or else of itself.
async fn refused(order: &mut instant_acme::Order, name: &str, by: Option<Challenge>) -> Trouble {
    for _ in 0..NONCES_MAX {
        let mut authorizations = order.authorizations();
        let Some(Ok(mut authorization)) = authorizations.next().await else { break };
        match authorization.refresh().await {
            Ok(state) => {
                if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
                {
                    return Trouble::told(problem, name, by);
                }
                break;
            }
            Err(error) if is_nonce(&error) => {}
            Err(_) => break,
        }
    }
    match &order.state().error {
        Some(problem) => Trouble::told(problem, name, by),
        None => Trouble::new(Kind::Rejected, "the authority refused the order, and does not say why"),
    }
}

/// A request for a certificate with a new key (P-256), and the key in PEM.
fn request(name: &str) -> Result<(Vec<u8>, String), rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let csr = params.serialize_request(&key)?;
    Ok((csr.der().to_vec(), key.serialize_pem()))
}

/// Says something again as long as the authority does not take it for its nonce.
async fn again<T>(mut say: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut nonces = 0;
    loop {
        match say().await {
            Err(error) if is_nonce(&error) && nonces < NONCES_MAX => nonces += 1,
            said => return said,
        }
    }
}

fn is_rate_limited(problem: &Problem) -> bool {
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:rateLimited")
}

fn is_nonce(error: &Error) -> bool {
    let Error::Api(problem) = error else { return false };
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:badNonce")
}

fn kind(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authority").field(&self.account.id()).finish()
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Order<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}
