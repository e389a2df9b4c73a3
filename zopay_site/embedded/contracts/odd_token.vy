# pragma version 0.4.3
# pragma evm-version shanghai
"""
@title A token that says one thing and does another, for tests alone
@notice Its owner chooses whether `transfer` answers true or false, moves the money or
    not, and tells of it or not. Each of these exists among real tokens.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

decimals: public(constant(uint8)) = 6
owner: public(immutable(address))

balanceOf: public(HashMap[address, uint256])
answers: public(uint256)
is_moving: public(bool)
is_telling: public(bool)


@deploy
def __init__():
    owner = msg.sender
    self.answers = 1
    self.is_moving = True
    self.is_telling = True


@external
def behave(answers: uint256, is_moving: bool, is_telling: bool):
    """
    @param answers The word that `transfer` returns: 1 is true, 0 is false.
    """
    assert msg.sender == owner, "not the owner"
    self.answers = answers
    self.is_moving = is_moving
    self.is_telling = is_telling


@external
def mint(to: address, amount: uint256):
    assert msg.sender == owner, "not the owner"
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)


@external
def transfer(to: address, amount: uint256) -> uint256:
    if self.is_moving:
        self.balanceOf[msg.sender] -= amount
        self.balanceOf[to] += amount
    if self.is_telling:
        log Transfer(sender=msg.sender, receiver=to, value=amount)
    return self.answers
