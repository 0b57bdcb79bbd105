"""Print what a client library collects in an application that sells, as a message to push."""

import json

from prometheus_client import Counter, generate_latest

orders = Counter("shop_orders", "Orders taken.", ["paid"])
orders.labels("card").inc(3)
orders.labels("cash").inc()

print(json.dumps({"shop": generate_latest().decode()}))
