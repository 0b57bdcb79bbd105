"""Run the proxy as ``python -m exporter_proxy``."""

import sys

from exporter_proxy.cli import main

sys.exit(main())
