"""What runs will cost and how long they usually take, before anybody asks the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from wan.domain import catalog
from wan.domain.catalog import MODELS, Price, Tier
from wan.environment.connection import Backend
from wan.environment.settings import Settings
from wan.service import polling


@dataclass(frozen=True)
class Quote:
    """What each take will cost and how long all of them usually take.

    usual: from and to, seconds.
    """

    by_tier: Mapping[Tier, Price | None]
    """The price in each resolution tier; None where it is not known."""
    tier: Tier
    usual: tuple[int, int]
    simulated: bool

    @property
    def price(self) -> Price | None:
        """The price in the tier that was asked about."""
        return self.by_tier[self.tier]


class Quotes:
    """Estimates by the settings and the catalog alone, which wait for nothing.

    backend: what runs over the connection of the settings go to.
    """

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self._settings, self._backend = settings, backend

    @cached_property
    def _region(self) -> str:
        """Where runs over the connection of the settings are billed. Raises SettingsError."""
        if self._backend == "simulator":
            return self._settings.home_region
        return self._settings.connection().region

    def is_simulated(self, own_region: str | None) -> bool:
        """Tell whether a run costs nothing. own_region: as for `estimate`."""
        return self._backend == "simulator" and own_region is None

    def estimate(
        self,
        *,
        model: str,
        size: str,
        duration: int,
        audio: bool,
        videos: Sequence[float | None] = (),
        references: int = 0,
        own_region: str | None = None,
        takes: int = 1,
        runs: Sequence[float] = (),
        past: Sequence[float] = (),
    ) -> Quote:
        """Return what a run will cost, and how long it usually takes until so many takes are there.

        duration: seconds of output. videos: the length of each reference video in seconds, None for
        a URL. references: how many there are in all. own_region: that of a visitor's own key, where
        one is used. runs, past: seconds, as for `wan.service.polling.usual_seconds`.
        """
        known, own = MODELS[model], own_region is not None
        simulated = self.is_simulated(own_region)
        of_tier = partial(
            catalog.price,
            known,
            region=self._settings.priced_region(own_region) if own_region else self._region,
            currency="" if own else self._settings.currency,
            duration=duration,
            audio=audio,
            videos=videos,
            references=references,
        )
        usual = polling.usual_seconds(known, simulated=simulated, past=past, runs=runs, takes=takes)
        return Quote(
            {tier: of_tier(size=tier) for tier in catalog.TIERS},
            catalog.tier_of(size),
            usual,
            simulated,
        )
