"""The few fields of requests, answers and errors that Tieline reads or writes, per protocol. Pure."""
