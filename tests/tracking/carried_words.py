"""What a recipient reads in every state whom an operator or a bank pays: English, French."""

import html
import re

SET_ASIDE = (
    (
        "Waiting to leave. The account it is paid from is being topped up. Your money is set "
        "aside, and leaves by itself after that."
    ),
    (
        "En attente de départ. Le compte d’où part le paiement est en cours d’approvisionnement. "
        "Votre argent est mis de côté et partira tout seul ensuite."
    ),
)
HELD_UP = (
    (
        "Waiting to leave. Your money is set aside, and leaves by itself as soon as it can. There "
        "is nothing you need to do."
    ),
    (
        "En attente de départ. Votre argent est mis de côté et partira tout seul dès que possible. "
        "Vous n’avez rien à faire."
    ),
)
WENT_BACK = (
    "Not delivered. Nothing was lost: the money went back to Acme.",
    "Non remis. Rien n’est perdu\u202f: l’argent est retourné à Acme.",
)
STAYED = (
    "Cancelled before it was sent. Nothing was lost: the money stayed with Acme.",
    "Annulé avant l’envoi. Rien n’est perdu\u202f: l’argent est resté chez Acme.",
)
PREPARING = ("Preparing your payout.", "Votre paiement se prépare.")
DAYS = (
    "Banks work on working days: the next one may pass before you see it in your account.",
    (
        "Les banques travaillent les jours ouvrés\u202f: il faut parfois attendre la fin du "
        "prochain pour le voir sur votre compte."
    ),
)
BY_MTN = {
    "pending": PREPARING,
    "asked": PREPARING,
    "operator_down": (
        (
            "Waiting for MTN. They do not answer just now. Your payout leaves by itself as soon as "
            "they do."
        ),
        (
            "En attente de MTN. L’opérateur ne répond pas en ce moment. Votre paiement partira "
            "tout seul dès qu’il répondra."
        ),
    ),
    "liquidity": SET_ASIDE,
    "frozen": HELD_UP,
    "sent": (
        "Sent to MTN, waiting for them to confirm.",
        "Envoyé à MTN, en attente de leur confirmation.",
    ),
    "late": (
        "Taking longer than usual. MTN has not confirmed it yet. It is never sent twice.",
        (
            "Plus long que d’habitude. MTN ne l’a pas encore confirmé. Il n’est jamais envoyé deux "
            "fois."
        ),
    ),
    "delivered": (
        "Delivered. The money is in your MTN Mobile Money account.",
        "Remis. L’argent est sur votre compte MTN Mobile Money.",
    ),
    "failed": WENT_BACK,
    "cancelled": STAYED,
}
BY_BANK = BY_MTN | {
    "operator_down": HELD_UP,
    "asked": (f"On its way to the bank. {DAYS[0]}", f"En route vers la banque. {DAYS[1]}"),
    "sent": (f"In the bank's hands. {DAYS[0]}", f"Entre les mains de la banque. {DAYS[1]}"),
    "late": (
        f"Taking longer than usual. {DAYS[0]}",
        f"Plus long que d’habitude. {DAYS[1]}",
    ),
    "delivered": (
        "Delivered. The bank has paid it. Your own bank may show it a little later.",
        (
            "Remis. La banque l’a payé. Votre propre banque l’affichera peut-être un peu plus "
            "tard."
        ),
    ),
}


def words(page):
    return html.unescape(re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", page))).strip()


def sentence(page):
    return words(re.search(r'<p id="sentence" role="status">(.*?)</p>', page)[1])


def lines(page):
    return [words(line) for line in re.findall(r'<p id="words-\w+">(.*?)</p>', page)]
