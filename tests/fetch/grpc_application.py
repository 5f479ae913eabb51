"""A gRPC application that follows a control plane and serves client status: run with its address.

Prints the port of its status service; ends when standard input closes. gRPC itself makes the answers.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor


def main(control_plane: str) -> None:
    server = {"server_uri": control_plane, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = json.dumps({"xds_servers": [server], "node": {"id": "grpc-application"}})
    import grpc
    from grpc._cython import cygrpc

    channels = [grpc.insecure_channel(f"xds:///{name}") for name in ("greeter", "absent")]
    for channel in channels:
        channel.subscribe(lambda state: None, try_to_connect=True)

    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: cygrpc.dump_xds_configs())
    handlers = grpc.method_handlers_generic_handler(
        "envoy.service.status.v3.ClientStatusDiscoveryService", {"FetchClientStatus": handler}
    )
    status = grpc.server(ThreadPoolExecutor(2))
    status.add_generic_rpc_handlers((handlers,))
    print(status.add_insecure_port("127.0.0.1:0"), flush=True)
    status.start()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
