"""One settings file. The environment comes in here and nowhere else.

No secret has a default: a missing one stops the start with its name. docs/configuration.md
lists every variable; tests/test_configuration.py holds the list against this file.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from engine.common.logging import logging_for
from engine.rails.networks import NETWORKS

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- Where it runs ---------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
ZOPAY_DEMO = env.bool("ZOPAY_DEMO", default=False)
ZOPAY_PORT = env.int("ZOPAY_PORT", default=8000)
ZOPAY_HOME = Path(env.str("ZOPAY_HOME", default=str(BASE_DIR / ".zopay")))
ZOPAY_PUBLIC_URL = env.str("ZOPAY_PUBLIC_URL", default=f"http://127.0.0.1:{ZOPAY_PORT}").rstrip(
    "/"
)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    default=[urlsplit(ZOPAY_PUBLIC_URL).hostname or "", "127.0.0.1", "localhost"],
)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
IS_HTTPS = ZOPAY_PUBLIC_URL.startswith("https://")

# --- Secrets ---------------------------------------------------------------------

SECRET_CHARACTERS_MIN = 32
SECRET_KEY = env.str("SECRET_KEY")
KEY_PEPPER = env.str("KEY_PEPPER")
# The first one signs, every one verifies: that is how a key is rotated.
SIGNING_KEYS = env.list("SIGNING_KEYS")
# The first one seals, every one opens.
SEALING_KEYS = env.list("SEALING_KEYS")

# An empty one is accepted by HMAC, and whatever it signs anybody can sign.
for _name, _texts in {
    "SECRET_KEY": [SECRET_KEY],
    "KEY_PEPPER": [KEY_PEPPER],
    "SIGNING_KEYS": SIGNING_KEYS,
    "SEALING_KEYS": SEALING_KEYS,
}.items():
    if min(map(len, _texts), default=0) < SECRET_CHARACTERS_MIN:
        raise ImproperlyConfigured(f"{_name} needs {SECRET_CHARACTERS_MIN} characters or more.")

# --- Money: how long, how deep, how often ----------------------------------------

QUOTE_TTL_SECONDS = env.int("QUOTE_TTL_SECONDS", default=60)
FLOAT_QUOTE_TTL_SECONDS = env.int("FLOAT_QUOTE_TTL_SECONDS", default=900)
# How long a recipient may look at what will arrive before the price is made anew.
HELD_QUOTE_TTL_SECONDS = env.int("HELD_QUOTE_TTL_SECONDS", default=600)
# How long a payment waits for its recipient, and again when a payout of it has failed.
PAYMENT_HOURS = env.int("PAYMENT_HOURS", default=7 * 24)
# What the house keeps of what it changes, in hundredths of a percent.
FX_SPREAD_BASIS_POINTS = env.int("FX_SPREAD_BASIS_POINTS", default=50)
# An older price changes no money.
RATE_HOURS_MAX = env.int("RATE_HOURS_MAX", default=24)
KEY_CACHE_SECONDS = env.int("KEY_CACHE_SECONDS", default=5)
PRICE_CACHE_SECONDS = env.int("PRICE_CACHE_SECONDS", default=2)
IDEMPOTENCY_REPLAY_HOURS = env.int("IDEMPOTENCY_REPLAY_HOURS", default=24)
IDEMPOTENCY_KEPT_DAYS = env.int("IDEMPOTENCY_KEPT_DAYS", default=30)
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=1.0)
LEASE_SECONDS = env.int("LEASE_SECONDS", default=30)
LEASE_ROWS = env.int("LEASE_ROWS", default=200)
LOOK_UP_SECONDS = env.float("LOOK_UP_SECONDS", default=1.0)
RESUBMIT_SECONDS = env.float("RESUBMIT_SECONDS", default=10.0)
REVIEW_SECONDS = env.int("REVIEW_SECONDS", default=3600)
ROLLUP_SECONDS = env.int("ROLLUP_SECONDS", default=10)
CHECK_LEDGER_SECONDS = env.int("CHECK_LEDGER_SECONDS", default=60)
# What live payouts go over where no chain is connected; a row of PAYOUT_RAILS. Empty
# refuses them: a house that is trusted with money must not pretend to have sent it.
PAYOUT_RAIL = env.str("PAYOUT_RAIL", default="simulated" if ZOPAY_DEMO else "")
READY_LAG_SECONDS_MAX = env.int("READY_LAG_SECONDS_MAX", default=60)
SIMULATED_SEEN_SECONDS = env.float("SIMULATED_SEEN_SECONDS", default=1.5)
SIMULATED_FINAL_SECONDS = env.float("SIMULATED_FINAL_SECONDS", default=6.0)
RATE_LIMIT_PER_MINUTE = env.int("RATE_LIMIT_PER_MINUTE", default=6000)
PAGE_RATE_LIMIT_PER_MINUTE = env.int("PAGE_RATE_LIMIT_PER_MINUTE", default=240)

# --- Chains: RPC_URL_ETHEREUM, RPC_URL_POLYGON …, several with commas ---------------

RPC_URLS = {
    network.code: urls
    for network in NETWORKS.values()
    if network.chain_id and (urls := env.tuple(f"RPC_URL_{network.code.upper()}", default=()))
}
# Those of them that bin/up started for itself: our own page stands for their explorer.
DEVNET_NETWORKS = env.list("DEVNET_NETWORKS", default=[])
# How many endpoints must agree before money is decided; 0 is two, or all when fewer.
RPC_QUORUM = env.int("RPC_QUORUM", default=0)
if min(map(len, RPC_URLS.values()), default=RPC_QUORUM) < RPC_QUORUM:
    raise ImproperlyConfigured("RPC_QUORUM is more than a network has nodes: none would agree.")
RPC_TIMEOUT_SECONDS = env.float("RPC_TIMEOUT_SECONDS", default=10.0)
RPC_BATCH_MAX = env.int("RPC_BATCH_MAX", default=200)
CHAIN_WATCH_SECONDS = env.float("CHAIN_WATCH_SECONDS", default=2.0)
DEPOSIT_WATCH_SECONDS = env.float("DEPOSIT_WATCH_SECONDS", default=5.0)
# A send that has waited this long at the head of its lane is offered a higher fee.
EVM_BUMP_SECONDS = env.float("EVM_BUMP_SECONDS", default=30.0)
EVM_BUMPS_MAX = env.int("EVM_BUMPS_MAX", default=8)
# No gas is bought above this price, whatever the chain asks: payouts wait instead.
EVM_FEE_CEILING_WEI = env.int("EVM_FEE_CEILING_WEI", default=500 * 10**9)
# On top of what a transfer would cost now: it is promised a minute before it is paid.
NETWORK_FEE_MARGIN_PERCENT = env.int("NETWORK_FEE_MARGIN_PERCENT", default=20)
# Who signs, and where the keys are; only worker hosts need them.
SIGNER = env.str("SIGNER", default="engine.rails.signing.KeystoreSigner")
KEYSTORE_DIR = Path(env.str("KEYSTORE_DIR", default=str(ZOPAY_HOME / "keystore")))
KEYSTORE_PASSWORD = env.str("KEYSTORE_PASSWORD", default="")
# What was sent, outside the database: it must outlive both the process and the database.
JOURNAL_DIR = Path(env.str("JOURNAL_DIR", default=str(ZOPAY_HOME / "journal")))
RECONCILE_TOLERANCE_USD = env.int("RECONCILE_TOLERANCE_USD", default=1)
REMOTE_SIGNER_URL = env.str("REMOTE_SIGNER_URL", default="")
REMOTE_SIGNER_TOKEN = env.str("REMOTE_SIGNER_TOKEN", default="")
# Users' deposit addresses on EVM networks are derived from it; no private key is needed.
DEPOSIT_XPUB = env.str("DEPOSIT_XPUB", default="")

# --- Mobile money ----------------------------------------------------------------

MOMO_TIMEOUT_SECONDS = env.float("MOMO_TIMEOUT_SECONDS", default=30.0)
# Of one account, by all workers together; operators block who asks oftener.
MOMO_STATUS_PER_SECOND = env.float("MOMO_STATUS_PER_SECOND", default=10.0)
# Not found by three looks over this long, a send is handed over again, the same one.
MOMO_LOST_SECONDS = env.float("MOMO_LOST_SECONDS", default=900.0)

# --- Banks -------------------------------------------------------------------------

# Files for banks, and which of them a bank may have: it must outlive the database too.
BANK_DIR = Path(env.str("BANK_DIR", default=str(ZOPAY_HOME / "bank")))
# The largest file of a bank's that is read.
BANK_FILE_MB_MAX = env.int("BANK_FILE_MB_MAX", default=20)

# Only for development: a partner's receiver on this machine.
WEBHOOK_ALLOW_LOOPBACK = env.bool("WEBHOOK_ALLOW_LOOPBACK", default=ZOPAY_DEMO)
# Where bin/up receives the demo partner's webhooks, so that the first payout shows them.
DEMO_WEBHOOK_URL = env.str("DEMO_WEBHOOK_URL", default="")
if WEBHOOK_ALLOW_LOOPBACK and IS_HTTPS:
    raise ImproperlyConfigured("WEBHOOK_ALLOW_LOOPBACK is for development; unset it.")

# The engine finds its doors and rails here; neither is imported by name anywhere else.
PAYOUT_DOORS = {
    "connect": "connect.door.CONNECT",
    "disbursements": "disbursements.door.DISBURSEMENTS",
    "payments": "payments.door.PAYMENTS",
}
PAYOUT_RAILS = {
    "simulated": "engine.rails.simulated.SimulatedRail",
    "evm": "engine.rails.evm.rail.EvmRail",
    "house": "engine.rails.house.HouseRail",
    "momo": "engine.rails.momo.rail.MomoRail",
    "bank": "engine.rails.bank.rail.BankRail",
}
# What doors give each partner of the demo.
DEMO_PARTS = ["disbursements.demo.equip", "payments.demo.equip"]
LEDGER_INVARIANTS = [
    "engine.ledger.invariants.INVARIANTS",
    "engine.payouts.invariants.INVARIANTS",
    "disbursements.invariants.INVARIANTS",
    "payments.invariants.INVARIANTS",
]

# --- Django ----------------------------------------------------------------------

ROOT_URLCONF = "zopay_site.urls"
WSGI_APPLICATION = "zopay_site.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "zopay_site",
    "engine.common",
    "engine.partners",
    "engine.ledger",
    "engine.rails",
    "engine.webhooks",
    "engine.payouts",
    "connect",
    "disbursements",
    "payments",
    "tracking",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
# The partners' API has no session, cookie or form: it skips what serves only pages.
MIDDLEWARE = [
    "zopay_site.middleware.RequestId",
    "zopay_site.middleware.RefuseStrangeRequests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "zopay_site.middleware.Sessions",
    "zopay_site.middleware.Locale",
    "zopay_site.middleware.Common",
    "zopay_site.middleware.Csrf",
    "zopay_site.middleware.Authentication",
    "zopay_site.middleware.Messages",
    "zopay_site.middleware.Frames",
    "zopay_site.middleware.ContentSecurityPolicy",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": env.db_url("DATABASE_URL")
    | {
        # Django's own, with a health check that asks nobody.
        "ENGINE": "engine.common.postgres",
        # A connection per request, Django's default, costs six to eight times as much.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "server_side_binding": True,
            # What a connection says a fifth time is parsed and planned once for all.
            "prepare_threshold": 5,
            # Nobody holds a row for long, so who waits this long is told to come back.
            "options": "-c lock_timeout=5s",
        },
    }
}
REDIS_URL = env.str("REDIS_URL")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["zopay_site.formats"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served straight from the finders, so that a fresh clone needs no collectstatic step.
WHITENOISE_USE_FINDERS = True

# --- Security --------------------------------------------------------------------

SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_TRUSTED_ORIGINS = [ZOPAY_PUBLIC_URL]
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_REFERRER_POLICY = "no-referrer"
X_FRAME_OPTIONS = "DENY"
# The middleware that these two miss is there, as subclasses that leave the API alone.
SILENCED_SYSTEM_CHECKS = ["security.W002", "security.W003"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# --- REST ------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["engine.partners.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["engine.common.api.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["engine.common.api.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "engine.common.api.OneNegotiation",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "engine.common.api.respond_to_error",
    "UNAUTHENTICATED_USER": None,
}

# --- Mail ---

vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
# A mail server that hangs must not hang the worker that writes to it.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="zopay@localhost")
# Who is told when something needs a person; empty tells nobody.
OPERATORS_EMAIL = env.str("OPERATORS_EMAIL", default="")

# --- Celery: messages are nudges, the sweep is the truth -------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 90
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A publisher that waits for a dead broker would make a partner wait for it too.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "visibility_timeout": 3600,
}
# A receiver that answers slowly holds up webhooks, never money.
CELERY_TASK_ROUTES = {"webhooks.*": {"queue": "webhooks"}}
# Task by name and seconds; a round that waited long is superseded by the next one.
_SWEEPS = {
    "deliver due webhooks": ("webhooks.deliver", SWEEP_SECONDS),
    "drain due payouts": ("payouts.drain", SWEEP_SECONDS),
    "pay open batches": ("disbursements.pay_batches", SWEEP_SECONDS),
    "watch chains": ("rails.watch_chains", CHAIN_WATCH_SECONDS),
    "price networks": ("payouts.price_networks", CHAIN_WATCH_SECONDS),
    "watch deposits": ("payouts.watch_deposits", DEPOSIT_WATCH_SECONDS),
}
CELERY_BEAT_SCHEDULE = {
    "roll up hot accounts": {"task": "ledger.roll_up", "schedule": ROLLUP_SECONDS},
    "check the ledger": {"task": "ledger.check", "schedule": CHECK_LEDGER_SECONDS},
    "forget old answers": {"task": "partners.forget_answers", "schedule": 3600},
    "forget used nonces": {"task": "disbursements.forget_nonces", "schedule": 600},
    "expire payments": {"task": "payments.expire", "schedule": 60},
} | {
    name: {"task": task, "schedule": seconds, "options": {"expires": max(seconds * 5, 5)}}
    for name, (task, seconds) in _SWEEPS.items()
}

LOGGING = logging_for(level=env.str("LOG_LEVEL", default="INFO"))
LOGGING_CONFIG = "engine.common.logging.configure"

# --- Pages -----------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Zopay Connect",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/connect/v1",
    "COMPONENT_SPLIT_PATCH": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["connect.openapi.finish"],
    "SERVERS": [{"url": ZOPAY_PUBLIC_URL}],
}
# Whoever logs in without having asked for a page; only staff ever do.
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = {
    "SITE_TITLE": "Zopay",
    "SITE_HEADER": "Zopay",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "STYLES": [lambda _request: static("admin.css")],
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}
