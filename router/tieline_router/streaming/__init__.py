"""What flows from a provider to a client, as pure transforms: bytes in, events and bytes out. No sockets, no clock."""
