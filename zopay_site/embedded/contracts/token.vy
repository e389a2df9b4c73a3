# pragma version 0.4.3
# pragma evm-version shanghai
"""
@title The token of our local chains
@notice An ERC-20 with six decimals that can do to its holders what the real ones can:
    the owner mints, stops every transfer, and shuts an address out. Nothing here is
    meant for a chain on which money is real.
"""

from ethereum.ercs import IERC20

implements: IERC20

event Blacklisted:
    account: indexed(address)
    is_shut_out: bool

decimals: public(constant(uint8)) = 6
owner: public(immutable(address))

name: public(String[32])
symbol: public(String[8])
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
blacklisted: public(HashMap[address, bool])
paused: public(bool)


@deploy
def __init__(name: String[32], symbol: String[8]):
    owner = msg.sender
    self.name = name
    self.symbol = symbol


@external
def transfer(to: address, amount: uint256) -> bool:
    self._give(msg.sender, to, amount)
    return True


@external
def transferFrom(holder: address, to: address, amount: uint256) -> bool:
    # Vyper's own arithmetic reverts below zero, here and in _give.
    self.allowance[holder][msg.sender] -= amount
    self._give(holder, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
def mint(to: address, amount: uint256):
    self._only_owner()
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=empty(address), receiver=to, value=amount)


@external
def blacklist(account: address):
    self._only_owner()
    self.blacklisted[account] = True
    log Blacklisted(account=account, is_shut_out=True)


@external
def unblacklist(account: address):
    self._only_owner()
    self.blacklisted[account] = False
    log Blacklisted(account=account, is_shut_out=False)


@external
def pause():
    self._only_owner()
    self.paused = True


@external
def unpause():
    self._only_owner()
    self.paused = False


@internal
def _give(holder: address, to: address, amount: uint256):
    assert not self.paused, "paused"
    assert not self.blacklisted[holder], "holder is blacklisted"
    assert not self.blacklisted[to], "receiver is blacklisted"
    assert to != empty(address), "receiver is nobody"
    self.balanceOf[holder] -= amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=holder, receiver=to, value=amount)


@internal
def _only_owner():
    assert msg.sender == owner, "not the owner"
