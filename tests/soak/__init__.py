"""A proxy under everything at once, for as long as is asked: ``make soak``.

Thousands of apps push over every wire, polled targets fail at random, peers misbehave in every way
that is known, and the process is reloaded, paused and killed. At each scrape it is checked that
what every healthy app was told has arrived is on the page.
"""
