"""What rails remember, one file for each subject."""

from engine.rails.models.attempts import Attempt, AttemptState, EvidenceKind, SendEvidence
from engine.rails.models.bank import (
    BankAccount,
    BankDelivery,
    BankFile,
    BankLostFile,
    BankPayee,
    BankStatement,
    BankTransfer,
)
from engine.rails.models.chains import ChainHead, DepthPolicy, Token
from engine.rails.models.crossings import HouseCrossing, LiquidityMove
from engine.rails.models.deposits import (
    Arrival,
    ArrivalState,
    DepositAddress,
    DepositKey,
    DepositWatch,
)
from engine.rails.models.momo import (
    MomoAccount,
    MomoCredentials,
    MomoPace,
    MomoSend,
    OperatorHealth,
)
from engine.rails.models.simulated import (
    ArrivedQuerySet,
    FaultKind,
    SimulatedFault,
    SimulatedTransfer,
)
from engine.rails.models.wallets import (
    HotWallet,
    SignedKind,
    SignedTransaction,
    Slot,
    SlotKind,
    WalletAsset,
    WalletPurpose,
)

__all__ = [
    "Arrival",
    "ArrivalState",
    "ArrivedQuerySet",
    "Attempt",
    "AttemptState",
    "BankAccount",
    "BankDelivery",
    "BankFile",
    "BankLostFile",
    "BankPayee",
    "BankStatement",
    "BankTransfer",
    "ChainHead",
    "DepositAddress",
    "DepositKey",
    "DepositWatch",
    "DepthPolicy",
    "EvidenceKind",
    "FaultKind",
    "HotWallet",
    "HouseCrossing",
    "LiquidityMove",
    "MomoAccount",
    "MomoCredentials",
    "MomoPace",
    "MomoSend",
    "OperatorHealth",
    "SendEvidence",
    "SignedKind",
    "SignedTransaction",
    "SimulatedFault",
    "SimulatedTransfer",
    "Slot",
    "SlotKind",
    "Token",
    "WalletAsset",
    "WalletPurpose",
]
