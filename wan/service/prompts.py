"""What somebody has asked for before, to be asked again."""

from wan.database.listing import Listing
from wan.service.stores import Stores

PAST = 20
"""Prompts that are offered at most."""


async def list_past(stores: Stores, *, owner: str) -> list[str]:
    """Return the last prompts that this owner has used, each once, newest first. In a shared
    library too they are nobody else's. Raises StorageUnavailable.
    """
    return await Listing(stores.database).list_prompts(owner, PAST)
