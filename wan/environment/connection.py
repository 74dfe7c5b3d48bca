"""A service, and the key to it."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

Backend = Literal["dashscope", "simulator"]
SIMULATOR_KEY = "sk-simulator"  # for the bundled simulator; not a secret, opens nothing else


class Connection(BaseModel):
    """A service and the key to it: all that sending takes, and whose money is spent."""

    model_config = ConfigDict(frozen=True)

    backend: Backend
    base_url: str
    """Ends in /api/v1."""
    region: str
    """A region of the catalog's price table, or "" where prices are not known."""
    workspace: str
    key: SecretStr
    currency: str = ""
    """The account's currency; "" for that of the region."""

    @property
    def account(self) -> str:
        """A hash of the account, 16 hexadecimal digits: it does not reveal the key."""
        # The simulator's port changes with every start; its tasks do not.
        where = self.base_url if self.backend == "dashscope" else self.backend
        secret = "\n".join((where, self.workspace, self.key.get_secret_value()))
        return hashlib.sha256(secret.encode()).hexdigest()[:16]
