"""Ask a proxy, a control plane or a gRPC client what it runs, and save it as one config_dump.

``admin`` asks an admin interface, ``ads`` speaks aggregated xDS as a node, ``csds`` asks for client status. All three
hand a ``Fetched`` to ``save``, which redacts secrets and writes the file whole or not at all.
"""
