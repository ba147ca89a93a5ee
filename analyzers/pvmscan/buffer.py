"""What bytes are read from: memory, or a file that is mapped into it."""

from __future__ import annotations

import mmap
from typing import TypeAlias

Buffer: TypeAlias = bytes | mmap.mmap
