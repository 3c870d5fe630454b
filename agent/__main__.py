"""`python -m agent` is `energy-agent`."""

import sys

from agent.cli import main

sys.exit(main())
