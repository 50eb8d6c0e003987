"""Files, safely: paths local or in an object store, atomic writes, locks and leases."""
