"""All abuse cases by name, in the order of the table."""

import cases_h1
import cases_h2
import cases_tls
from case import Case

CASES: dict[str, Case] = {case.name: case for case in (*cases_h2.CASES, *cases_tls.CASES, *cases_h1.CASES)}
