"""What every suite that drives real processes shares: servers, sockets, arguments, failures."""
