"""The experiments by name, in the order in which they run and are told."""

from types import ModuleType

from experiments import churn, cold, create, directory, imports, kill, memory, outage, peers, start, zipf

# `imports` first: it leaves its store to those that need one.
ALL: dict[str, ModuleType] = {
    "import": imports,
    "start": start,
    "zipf": zipf,
    "cold": cold,
    "memory": memory,
    "create": create,
    "churn": churn,
    "directory": directory,
    "peers": peers,
    "outage": outage,
    "kill": kill,
}
