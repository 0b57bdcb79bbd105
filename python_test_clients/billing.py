"""Print what a client library collects in an application that bills, as a message to push."""

import json

from prometheus_client import Histogram, generate_latest

runs = Histogram("billing_run_seconds", "How long a run takes.", buckets=[1, 10])
for seconds in (0.5, 2, 30):
    runs.observe(seconds)

print(json.dumps({"billing": generate_latest().decode()}))
