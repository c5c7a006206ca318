"""The invariants of a cluster, and the one judge of them, for every test and benchmark.

* No request is answered with another's answer.
* Each request gets exactly one final answer, by its deadline and GRACE.
* An answer lists each node exactly once: with its own numbers, or with an error that gives the reason.
* Answers without an id come in the order of their requests; the ``seq`` of a stream only grows.

A client reports to its ``Conversation`` what it sends and receives. The ``GroundTruth`` holds what is
known of the cluster and of the faults in it. The ``Judge`` compares the two; it finds violations, as
sentences. Everything here is pure: time is an argument, and each caller has its own transport.
"""
