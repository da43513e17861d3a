"""The mathematics of style transfer as pure tensor functions: no classes, no configuration, no state."""

from adain.functional.losses import gram as gram
from adain.functional.patches import style_swap as style_swap
from adain.functional.statistics import (
    EPS as EPS,
)
from adain.functional.statistics import (
    Statistics as Statistics,
)
from adain.functional.statistics import (
    adain as adain,
)
from adain.functional.statistics import (
    channel_statistics as channel_statistics,
)
from adain.functional.statistics import (
    mix as mix,
)
from adain.functional.statistics import (
    own_statistics as own_statistics,
)
from adain.functional.statistics import (
    regions as regions,
)
from adain.functional.statistics import (
    target as target,
)
