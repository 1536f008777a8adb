"""The HTTP/1.1 client towards model servers and providers, on `asyncio.Protocol` and llhttp.

One POST, its answer as it comes, failures as error classes. It knows no routes and no retries beyond one: a kept-alive
connection that the server closed as we used it. Nothing of one target reaches another: no cookies, no redirects,
connections are shared only between equal origins, and headers come from the target and the caller alone. Used by
`relay`; `targets` builds what it sends to.

- `target`: where one attempt goes, and the encoded head of its request
- `client`: the one object of the process: takes or dials a connection, sends, hands out the answer
- `connection`: one socket; bytes → parser → answer, without a task switch
- `answer`: one answer: its body pulled in pieces, whole, or pumped into a sink
- `codings`: bounded decoding of bodies that came compressed although identity was asked for
- `idle`: which connections are kept, for how long
- `dialing`, `names`, `tls`: address, socket, proxy, TLS
- `failure`: what went wrong, as a class of the error table
"""

from tieline_router.runtime.upstream.answer import Answer, Sink
from tieline_router.runtime.upstream.client import UpstreamClient
from tieline_router.runtime.upstream.failure import UpstreamFailure
from tieline_router.runtime.upstream.target import Headers, Target

__all__ = ["Answer", "Headers", "Sink", "Target", "UpstreamClient", "UpstreamFailure"]
