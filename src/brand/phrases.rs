//! What pages say where nobody has written anything else, in the languages that are built in.

/// A language's words.
#[derive(Debug)]
pub(super) struct Phrases {
    /// Its tag.
    pub(super) tag: &'static str,
    /// Before the address of the support.
    pub(super) support: &'static str,
    /// When to try again; `{}` is the number of seconds.
    pub(super) retry: &'static str,
    /// Heading and message of each [`Kind`], in its order.
    pages: [(&'static str, &'static str); 10],
}

/// What refusals are to somebody who only wanted to see a page.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Maintenance = 0,
    Suspended = 1,
    Unpaid = 2,
    Denied = 3,
    NotFound = 4,
    Plan = 5,
    TooMany = 6,
    Busy = 7,
    Broken = 8,
    BadRequest = 9,
}

/// The language of those whose own there is not.
pub(super) const DEFAULT: &str = "en";

static ALL: [Phrases; 4] = [
    Phrases {
        tag: "en",
        support: "If you need help, write to",
        retry: "Please try again in {} s.",
        pages: [
            ("We'll be back soon", "We are working on this service. Thank you for your patience."),
            ("This account is suspended", "Please contact whoever runs this service for you."),
            ("Payment is due", "This service will be back as soon as the account is settled."),
            ("Access denied", "You can't use this service from where you are."),
            ("Page not found", "There is nothing at this address."),
            ("Not part of your plan", "This function is not included in your plan."),
            ("Too many requests", "There have been more requests than are allowed at a time."),
            ("Very busy right now", "The service is busy at the moment. Please try again shortly."),
            ("Something went wrong", "The service could not answer. Please try again later."),
            ("This request can't be processed", "Please check the address, or what you have sent."),
        ],
    },
    Phrases {
        tag: "de",
        support: "Hilfe erhalten Sie unter",
        retry: "Bitte versuchen Sie es in {} s noch einmal.",
        pages: [
            ("Wir sind gleich wieder da", "Wir arbeiten an diesem Dienst. Danke für Ihre Geduld."),
            ("Dieses Konto ist gesperrt", "Bitte wenden Sie sich an den Betreiber dieses Dienstes."),
            ("Zahlung ausstehend", "Der Dienst ist wieder verfügbar, sobald das Konto ausgeglichen ist."),
            ("Zugriff verweigert", "Von hier aus können Sie diesen Dienst nicht nutzen."),
            ("Seite nicht gefunden", "Unter dieser Adresse gibt es nichts."),
            ("Nicht in Ihrem Tarif enthalten", "Diese Funktion gehört nicht zu Ihrem Tarif."),
            ("Zu viele Anfragen", "Es gab mehr Anfragen, als gleichzeitig erlaubt sind."),
            (
                "Gerade sehr ausgelastet",
                "Der Dienst ist ausgelastet. Bitte versuchen Sie es gleich noch einmal.",
            ),
            (
                "Etwas ist schiefgegangen",
                "Der Dienst konnte nicht antworten. Bitte versuchen Sie es später noch einmal.",
            ),
            ("Diese Anfrage ist nicht möglich", "Bitte prüfen Sie die Adresse oder Ihre Eingaben."),
        ],
    },
    Phrases {
        tag: "fr",
        support: "Pour obtenir de l'aide, écrivez à",
        retry: "Veuillez réessayer dans {} s.",
        pages: [
            ("Nous revenons bientôt", "Nous travaillons sur ce service. Merci de votre patience."),
            ("Ce compte est suspendu", "Veuillez contacter l'exploitant de ce service."),
            ("Paiement en attente", "Le service reviendra dès que le compte sera réglé."),
            ("Accès refusé", "Vous ne pouvez pas utiliser ce service depuis cet endroit."),
            ("Page introuvable", "Il n'y a rien à cette adresse."),
            ("Non compris dans votre offre", "Cette fonction n'est pas comprise dans votre offre."),
            ("Trop de requêtes", "Il y a eu plus de requêtes que ce qui est autorisé."),
            (
                "Très sollicité en ce moment",
                "Le service est très sollicité. Veuillez réessayer dans un instant.",
            ),
            ("Une erreur s'est produite", "Le service n'a pas pu répondre. Veuillez réessayer plus tard."),
            ("Cette requête ne peut pas être traitée", "Veuillez vérifier l'adresse ou votre saisie."),
        ],
    },
    Phrases {
        tag: "es",
        support: "Si necesita ayuda, escriba a",
        retry: "Vuelva a intentarlo dentro de {} s.",
        pages: [
            ("Volvemos enseguida", "Estamos trabajando en este servicio. Gracias por su paciencia."),
            ("Esta cuenta está suspendida", "Póngase en contacto con quien gestiona este servicio."),
            ("Pago pendiente", "El servicio volverá en cuanto la cuenta esté saldada."),
            ("Acceso denegado", "No puede usar este servicio desde aquí."),
            ("Página no encontrada", "No hay nada en esta dirección."),
            ("No incluido en su plan", "Esta función no está incluida en su plan."),
            ("Demasiadas solicitudes", "Ha habido más solicitudes de las permitidas."),
            ("Muy ocupado ahora mismo", "El servicio está ocupado. Vuelva a intentarlo en un momento."),
            ("Algo ha fallado", "El servicio no pudo responder. Vuelva a intentarlo más tarde."),
            ("No se puede procesar la solicitud", "Compruebe la dirección o lo que ha enviado."),
        ],
    },
];

/// The words of a language, where they are built in: of itself, or of what it is a kind of.
pub(super) fn of(tag: &str) -> Option<&'static Phrases> {
    let base = tag.split('-').next().unwrap_or(tag);
    ALL.iter().find(|phrases| phrases.tag == base)
}

impl Phrases {
    /// The words for those whose language is not built in.
    pub(super) fn default() -> &'static Self {
        let [english, ..] = &ALL;
        english
    }

    /// Heading and message of a refusal.
    pub(super) fn page(&self, code: &str, status: u16) -> (&'static str, &'static str) {
        self.pages.get(kind(code, status) as usize).copied().unwrap_or_default()
    }
}

fn kind(code: &str, status: u16) -> Kind {
    match (code, status) {
        ("maintenance", _) => Kind::Maintenance,
        ("tenant_suspended", _) => Kind::Suspended,
        ("payment_required", _) => Kind::Unpaid,
        ("feature_not_in_plan", _) => Kind::Plan,
        (_, 401 | 403) => Kind::Denied,
        (_, 404 | 410) => Kind::NotFound,
        (_, 429) => Kind::TooMany,
        (_, 503) => Kind::Busy,
        (_, 500..) => Kind::Broken,
        _ => Kind::BadRequest,
    }
}
