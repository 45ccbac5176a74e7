"""Which network addresses a download may connect to: public ones only."""

from __future__ import annotations

import ipaddress

_NOT_PUBLIC = tuple(ipaddress.ip_network(text) for text in (
    "192.0.0.0/24",  # IETF protocol assignments, of which ipaddress knows some parts only
    "192.88.99.0/24",  # relays of 6to4
    "168.63.129.16/32",  # the host of a virtual machine in Azure
    "2001::/23",  # IETF protocol assignments, Teredo among them, which holds an IPv4 address
    "2002::/16",  # 6to4, which holds an IPv4 address
    "3fff::/20",  # documentation
))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The only part of IPv6 from which public addresses are given out. Outside lie, among others, all forms that hold an
IPv4 address: ``::a.b.c.d``, ``::ffff:a.b.c.d``, ``64:ff9b::/96`` and ``64:ff9b:1::/48``."""


def is_public(address: str) -> bool:
    """Tell whether a numeric address is one of the public internet, to which data can be sent and which answers.

    Private, loopback, link-local, multicast, reserved and documentation addresses are not, nor is any IPv6 address that
    holds an IPv4 address, since what it leads to is up to a gateway.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and (parsed not in _GLOBAL_UNICAST or getattr(parsed, "scope_id", None)):
        return False
    if any(parsed.version == network.version and parsed in network for network in _NOT_PUBLIC):
        return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


__all__ = ["is_public"]
