"""``python -m captum_lca`` is the same as ``captum-lca``."""

import sys

from captum_lca.cli import main

sys.exit(main())
