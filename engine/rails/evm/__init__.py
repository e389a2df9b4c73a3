"""The rail of EVM chains. Only workers load it: web3 takes 56 MB."""
