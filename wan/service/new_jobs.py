"""The rows of new jobs, before they are written."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from wan.domain import catalog, ids, line
from wan.domain.catalog import MODELS, Price
from wan.domain.fields import BY_NAME
from wan.domain.fingerprint import fingerprint
from wan.domain.ids import Seal
from wan.domain.jobs import Job, Reference
from wan.domain.requests import Request
from wan.domain.turns import customer_network, is_here
from wan.provider import payload
from wan.service.access import Permission
from wan.service.preparation import Prepared

_DRAWS = secrets.SystemRandom()
_NETWORK_LENGTH = 20  # characters of a network's hash
_RESULT_CHANGES = (
    "size_scaled",
    "fps_conformed",
    "not_conformed",
)  # adjustments of a result; the others belong to the request


class NewJobs:
    """Makes the rows of new jobs. clock: seconds since 1970."""

    def __init__(self, seal: Seal, clock: Callable[[], float]) -> None:
        self._seal, self._clock = seal, clock

    def make_takes(
        self,
        request: Request,
        nonces: Sequence[str],
        owner: str,
        permission: Permission,
        prepared: Prepared,
    ) -> list[Job]:
        """Return rows for several takes of a request, one for each nonce and, where the request
        names a seed, each next seed.
        """
        first, jobs = self._new_job(owner, permission), []
        for number, (nonce, drawn) in enumerate(
            zip(nonces, _DRAWS.sample(range(catalog.SEED_LIMIT + 1), len(nonces)), strict=True)
        ):
            asked = (
                None if request.seed is None else (request.seed + number) % (catalog.SEED_LIMIT + 1)
            )
            one = request.model_copy(update={"seed": asked})
            # Each a moment later than the one before, which is the order in our line.
            created_at = first.created_at + number / 1000
            row = replace(
                self._new_job(owner, permission),
                brief_id=first.brief_id,
                take=number + 1,
                nonce=nonce,
                created_at=created_at,
            )
            jobs.append(_fill(row, one, drawn if asked is None else asked, prepared, permission))
        return jobs

    def make_retry(
        self, old: Job, owner: str, permission: Permission, *, new_seed: bool, number: int = 0
    ) -> Job:
        """Return the row of a job that is made from the inputs of another. number: of this one
        among those that are asked for at once.
        """
        seed = secrets.randbelow(catalog.SEED_LIMIT + 1) if new_seed else old.seed
        parameters = old.payload["parameters"] | {"seed": seed}
        row = self._new_job(owner, permission)
        return replace(
            row,
            model=old.model,
            request=old.request | {"seed": None if new_seed else old.seed},
            references=old.references,
            payload=old.payload | {"parameters": parameters},
            # The same request asked for anew is the same kind as this; an UNCERTAIN job, which is
            # on its way, would be joined instead.
            cache_key=_retry_key(old, number, new_seed=new_seed)
            if new_seed or old.live
            else old.cache_key,
            created_at=row.created_at + number / 1000,
            nonce=secrets.token_hex(8),
            brief_id=old.brief_id,
            take=0 if new_seed else old.take,
            name="" if new_seed else old.name,
            project=old.project,
            retried_from=old.id,
            adjustments=[one for one in old.adjustments if one.key not in _RESULT_CHANGES],
            seed=seed,
            **_estimate(old.model, old.request, old.references, permission),
        )

    def _new_job(self, owner: str, permission: Permission) -> Job:
        """Return a QUEUED row with nothing in it yet."""
        now, connection = self._clock(), permission.connection
        return Job(
            id=ids.new_job_id(),
            owner=owner,
            account=connection.account,
            backend=connection.backend,
            base_url=connection.base_url,
            region=connection.region,
            workspace=connection.workspace,
            brief_id=secrets.token_urlsafe(16),
            media_token=ids.new_media_token(),
            address=None if is_here(permission.address) else self._hash_address(permission.address),
            budget_day=datetime.fromtimestamp(now, UTC).date().isoformat()
            if permission.is_limited
            else "",
            counts_for_person=permission.budget_per_person is not None,
            due_at=now,
            created_at=now,
            state_at=now,
        )

    def _hash_address(self, address: str) -> str:
        """Return an address as rows have it, 64 characters: the beginning of its network's hash,
        and its own.
        """
        network, own = (
            self._seal.hash("address", one) for one in (customer_network(address), address)
        )
        return f"{network[:_NETWORK_LENGTH]}{line.IN}{own}"


def is_same_brief(new: Job, old: Job) -> bool:
    """Tell whether a new row asks for what an old one was made from, and leaves the seed open."""
    return (
        new.request["seed"] is None
        and (new.account, new.model) == (old.account, old.model)
        and _complete(new.request) == _complete(old.request)
        and len(new.references) == len(old.references)
        and all(map(_is_same_reference, new.references, old.references))
    )


def _complete(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kept request without its seed, and with all that it leaves out since it is as usual,
    or since the version that wrote it did not have it.
    """
    usual = {name: one.default for name, one in BY_NAME.items()}
    return {**usual, **request, "seed": None}


def _is_same_reference(new: Reference, old: Reference) -> bool:
    """Tell whether a reference is another, or the clean copy of it, which the form may hold."""
    return (new.kind, new.url) == (old.kind, old.url) and (
        new.sha256 == old.sha256 or new.sha256 in old.key
    )


def _retry_key(old: Job, number: int, *, new_seed: bool) -> str:
    """Return the cache key of what is made from a job and is another kind; the same each time, so
    that a second click joins the first.
    """
    which = f" {number}" if number else ""
    return hashlib.sha256(f"{old.cache_key} again {old.id} {new_seed}{which}".encode()).hexdigest()


def _fill(job: Job, request: Request, seed: int, prepared: Prepared, permission: Permission) -> Job:
    """Return a new row with all that a request says. seed: the one that is sent."""
    backend = job.base_url if job.backend == "dashscope" else job.backend
    ready = payload.build(
        request, seed=seed, urls=[reference.url for reference in prepared.references]
    )
    return replace(
        job,
        model=request.model,
        request=request.to_json(),
        references=prepared.references,
        payload=ready.body,
        cache_key=fingerprint(request, backend, prepared.digests, job.nonce),
        adjustments=[*prepared.adjustments, *ready.adjustments],
        seed=seed,
        **_estimate(request.model, request.to_json(), prepared.references, permission),
    )


def _estimate(
    model: str, asked: Mapping[str, Any], references: Sequence[Reference], permission: Permission
) -> dict[str, Any]:
    """Return what a new row says about money: the price by the lengths of the reference videos as
    far as they are known. reserved: what it may come to at most.
    """
    lengths = [reference.seconds for reference in references if reference.kind == "video"]

    def price(videos: Sequence[float | None]) -> Price | None:
        size, duration, audio = asked["size"], asked["duration"], asked["audio"]
        where = {"region": permission.connection.region, "currency": permission.connection.currency}
        return catalog.price(
            MODELS[model],
            **where,
            size=size,
            duration=duration,
            audio=audio,
            videos=videos,
            references=len(references),
        )

    cost, most = price(lengths), price([None] * len(lengths))
    if cost is None or most is None:
        return {"amount": None, "currency": "", "billed_seconds": None, "reserved": None}
    reserved = most.amount if permission.is_limited else None
    return {
        "amount": cost.amount,
        "currency": cost.currency,
        "billed_seconds": cost.billed_seconds,
        "reserved": reserved,
    }
