"""The history of an account: any number of past images, each computed from its number alone.

Prompts are as awkward as people's: several scripts, emoji, newlines, quotes, commas, markup, and
some very long ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.jobs import COMPLETED

#: Stands for a lone surrogate until the page is encoded; see ``render.encode``.
SURROGATE_STAND_IN: Final = "\uf8ff"

_SUBJECTS: Final = (
    "a lighthouse keeper", "three paper boats", "an old tram", "a heron", "a night market",
    "a glass greenhouse", "two foxes", "a violin maker", "a stone bridge", "a weather balloon",
    "a bakery at dawn", "an astronaut", "a mountain railway", "a chess player", "a field of barley",
    "a whale", "a watch repairer's bench", "a lantern festival",
)  # fmt: skip
_SETTINGS: Final = (
    "in heavy rain", "above the clouds", "under a harvest moon", "in the first snow",
    "beside a canal", "in a sunlit attic", "on a salt flat", "after the storm", "at low tide",
    "during an eclipse", "in a bamboo forest",
)  # fmt: skip
_STYLES: Final = (
    "35mm photograph, soft grain", "watercolour on rough paper", "isometric, pastel palette",
    "oil painting, thick impasto", "linocut in two colours", "cinematic, anamorphic flare",
    "children's book illustration",
)  # fmt: skip
_AWKWARD: Final = (
    "雨の夜の東京、ネオンが水たまりに映る、広角",
    'A sign that reads "Open", another that reads \'Closed\', and a comma, here',
    "Une brasserie à Besançon, façade bleue, ciel d\u2019été",
    "First line: a valley\nSecond line: a river\r\n\tThird line: indented",
    "🦊 in a teacup 🫖, tiny 👩‍🚀 riding it, sticker style ✨",
    "<script>alert('prompt')</script> <img src=x onerror=alert(1)> & a calm sea",
    "قارب صغير في بحر هادئ عند الغروب",
    "=HYPERLINK(\"https://example.invalid\",\"click\"); a spreadsheet cell as still life",
)  # fmt: skip
_LONG_TAIL: Final = " Every surface is described in turn: worn oak, cold brass, wet slate, old linen."

#: Sizes of the batches, repeated: ten images in four creates.
_BATCHES: Final = (1, 4, 2, 3)
_BATCH_OF: Final = tuple((batch, place) for batch, size in enumerate(_BATCHES) for place in range(size))
_MODELS: Final = ("image-01",) * 4 + ("nano-banana-2", "gpt-image-2", "seedream-4.5", "nano-banana-pro")
_MODEL_OF_FOUR: Final = ("image-01", "midjourney-v7", "nano-banana-2", "midjourney-niji7")
_ASPECTS: Final = ("9:16", "16:9", "1:1", "3:4", "4:3", "9:16", "21:9")
#: Of a hundred images, about 88 were completed.
_FINAL_STATUSES: Final = (COMPLETED,) * 22 + (3, 5, 7)
_RARE_STATUS: Final = 14


@dataclass(frozen=True, slots=True)
class Image:
    """What never changes about an image."""

    number: int
    created_ms: int
    prompt: str
    model: str
    aspect: str
    batch: int
    optimized: bool = True


@dataclass(frozen=True)
class History:
    """The history of one account; 0 is its oldest image, ``size - 1`` its newest."""

    account: int
    seed: int
    size: int
    end_ms: int
    spacing_ms: float
    surrogate_at: int | None = None

    def image(self, number: int, created_ms: int | None = None) -> Image:
        """Compute an image; one that arrives later has a number beyond the history and a time of its own."""
        cycle, place = divmod(number, len(_BATCH_OF))
        of_cycle, member = _BATCH_OF[place]
        batch = cycle * len(_BATCHES) + of_cycle
        chance = ids.mix(self.seed + 1000 * self.account, batch)
        models = _MODEL_OF_FOUR if _BATCHES[of_cycle] == 4 else _MODELS
        return Image(
            number=number,
            created_ms=self._create_time(number - member, chance) if created_ms is None else created_ms,
            prompt=self._prompt(number, batch, chance),
            model=models[chance % len(models)],
            aspect=_ASPECTS[(chance >> 8) % len(_ASPECTS)],
            batch=batch,
            optimized=bool(chance & 4096),
        )

    def final_status(self, number: int) -> int:
        """Return the status that an image ended with."""
        chance = ids.mix(self.seed + 7777 + 1000 * self.account, number)
        if chance % 50 == 49:
            return _RARE_STATUS
        return _FINAL_STATUSES[(chance >> 16) % len(_FINAL_STATUSES)]

    def _create_time(self, first: int, chance: int) -> int:
        """Return the time of a batch: its images share it, and a client must get such ties right."""
        jitter = (chance >> 20) % 1000 / 1000 * self.spacing_ms
        return int(self.end_ms - (self.size - 1 - first) * self.spacing_ms - jitter)

    def _prompt(self, number: int, batch: int, chance: int) -> str:
        if batch % 3 == 1:
            prompt = _AWKWARD[batch // 3 % len(_AWKWARD)]
        else:
            subject = _SUBJECTS[(chance >> 24) % len(_SUBJECTS)]
            setting = _SETTINGS[(chance >> 32) % len(_SETTINGS)]
            prompt = f"{subject} {setting}, {_STYLES[(chance >> 40) % len(_STYLES)]}"
        if batch % 12 == 5:
            prompt += _LONG_TAIL * 22
        if self.surrogate_at is not None and number == self.size - 1 - self.surrogate_at:
            prompt += f" broken emoji: {SURROGATE_STAND_IN}"
        return prompt
