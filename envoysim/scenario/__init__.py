"""Load over virtual time: many requests, upstreams that change, one worker's memory.

``read_scenario`` reads a file, ``Play`` plays it, ``model.timeline.Timeline`` is what comes of it.
"""
