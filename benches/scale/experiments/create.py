"""From the first byte of a create call to the first 200 for the new tenant, durable; and what others take for it."""

import time
from dataclasses import dataclass, field

import adding
from api import Api
from bench import Bar, Bench, Outcome, need, say
from closed_loop import Law, Saturation
from figures import head, quantiles, percentile, row
from gateway import Gateway, status_of
from open_loop import Asking
from proxies import Running, all_proxies
from process import Failure
from stores import Stores
from tenants import Population, document, first_domain, identity

BAR_MS = 20
CREATIONS = 200
LIGHT_PER_S = 200
PEERS_AT = 100_000
PEER_ADDITIONS, PEER_BUDGET_S = 20, 45


def run(bench: Bench, stores: Stores) -> Outcome:
    population = Population(bench.tenants)
    gateway = Gateway(bench, "create", store=stores.copy(population.count, "create"), core=bench.proxy_core).start()
    loads: dict[str, Creations] = {}
    count = bench.times(CREATIONS)
    law = Law.uniform(bench.workspace.folder, Population(bench.scaled(1000)))
    try:
        gateway.prove(population.host(1), identity(1))
        hosts = [population.host(index) for index in range(bench.scaled(1000))]
        light = Asking(bench, gateway.port, hosts, rate=LIGHT_PER_S, seconds=600, cycle=True)
        loads["light"] = create(gateway, population.count, count)
        light.stop()
        full = Saturation(bench, gateway.port, law, 600)
        loads["full"] = create(gateway, population.count + count, count)
        full.result()
        # What has been acknowledged is there after a crash, too.
        gateway.kill()
        gateway.start()
        for number in (population.count, population.count + 2 * count - 1):
            need(gateway.serves(first_domain(number)), f"{identity(number)} was acknowledged and is gone after a restart")
    finally:
        gateway.stop()
    outcome = Outcome(raw={name: creations.took_ms for name, creations in loads.items()})
    outcome.lines = head("Tollgate", "tenants created", "call sent → 201, p50 / p99 / slowest ms", "call sent → first 200, ms", "asked more than once")
    for name, creations in loads.items():
        what = f"{LIGHT_PER_S} requests/s beside it" if name == "light" else "full load beside it"
        outcome.lines.append(
            row(what, len(creations.took_ms), quantiles(creations.answered_ms), quantiles(creations.took_ms), creations.again)
        )
        at = f"a durable create call to its first 200, {name} load, {population.count:,} tenants"
        outcome.bars.append(Bar(f"p50 of {at}", percentile(creations.took_ms, 50), BAR_MS, "ms", 1, strict=True))
        outcome.bars.append(Bar(f"p99 of {at}", percentile(creations.took_ms, 99), BAR_MS, "ms", 1, strict=True))
    outcome.lines += ["", *peers(bench, stores, outcome.raw)]
    return outcome


@dataclass
class Creations:
    answered_ms: list[float] = field(default_factory=list)  # to the whole answer of the call
    took_ms: list[float] = field(default_factory=list)  # to the first 200
    again: int = 0  # tenants whose first request was not a 200


def create(gateway: Gateway, first: int, count: int) -> Creations:
    """One after another. Every second host is asked for just before: that it was unknown must be forgotten, too."""
    creations, api = Creations(), Api(gateway.admin_port)
    api.must("GET", "/api/v1/status")
    for number in range(first, first + count):
        host, body = first_domain(number), document(number)
        if number % 2:
            status = status_of(gateway.port, host)
            need(status == 404, f"{host} was answered with {status} before it was created")
        began = time.monotonic()
        answer = api.must("POST", "/api/v1/tenants", body)
        answered = time.monotonic()
        need(answer.status == 201, f"POST /tenants answered {answer.status}")
        tries = 1
        while status_of(gateway.port, host) != 200:
            tries += 1
            if time.monotonic() - began > 10:
                raise Failure(f"{host} was created and not served in 10 s")
        creations.took_ms.append((time.monotonic() - began) * 1e3)
        creations.answered_ms.append((answered - began) * 1e3)
        creations.again += tries > 1
        # Some moments' rest: what is measured is a call, not as many as can be.
        time.sleep(0.02)
    api.close()
    return creations


def peers(bench: Bench, stores: Stores, raw: dict) -> list[str]:
    """How others are told of a tenant more, with nothing else to do."""
    population = Population(bench.scaled(PEERS_AT))
    lines = head(f"{population.count:,} tenants, no load", "one more, p50 / p99 / slowest ms", "of", "still there after a restart")
    for proxy in all_proxies(bench, stores):
        running = Running(bench, proxy, population)
        try:
            running.start()
            running.prove()
            additions = adding.measure(running, PEER_ADDITIONS, 5 if bench.quick else PEER_BUDGET_S)
        except Failure as failure:
            say(f"create, {proxy.key}: {failure}")
            lines.append(row(proxy.title, "could not be measured", "–", "–"))
            continue
        finally:
            running.kill()
        took_ms = [took * 1e3 for took in additions.took_s]
        raw[f"peer {proxy.key}"] = took_ms
        say(f"create, {proxy.key}: {quantiles(took_ms)} ms, survives {additions.survives}")
        lines.append(row(proxy.title, quantiles(took_ms, 1), len(took_ms), "yes" if additions.survives else "**no**"))
    return lines
