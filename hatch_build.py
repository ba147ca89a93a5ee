"""Build hook: wheels get the machine's hot modules compiled, where Cython and a C compiler are at hand.

Without them, or with `PVM_PURE=1`, the wheel is pure Python and does the same, more slowly. Editable installs stay
pure, so that the source at hand is what runs; `make compiled` (or `python hatch_build.py`) builds beside it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
HOME = ROOT / "pvm"
MODULES = ("scanning", "skeleton", "straight", "vectors")
"""Modules of `pvm` that have a `.pxd` beside them."""

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called as a program
    BuildHookInterface = object


def compile_modules(folder: Path) -> list[Path]:
    """Compile into the folder; the files made. Raises whatever Cython or the compiler raises."""
    from Cython.Build import cythonize
    from setuptools import Extension
    from setuptools.dist import Distribution

    flags = [] if sys.platform == "win32" else ["-O3"]
    sys.setrecursionlimit(20_000)  # Cython copies the chain of comparisons recursively
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(HOME / "pvm", Path(scratch, "pvm"), ignore=shutil.ignore_patterns("*.so", "*.pyd"))
        before = os.getcwd()
        os.chdir(scratch)
        try:
            extensions = [
                Extension(f"pvm.{name}", [f"pvm/{name}.py"], extra_compile_args=flags) for name in MODULES
            ]
            options: dict[str, Any] = {"ext_modules": cythonize(extensions, quiet=True, force=True)}
            command = Distribution({"name": "pvm", "packages": [], **options}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = "built", "objects"
            command.ensure_finalized()
            command.run()
            return [_placed(file, folder) for file in Path("built", "pvm").iterdir()]
        finally:
            os.chdir(before)


def _placed(file: Path, folder: Path) -> Path:
    """Put it there in one step: a process that uses the module there goes on with the one that it has."""
    made = Path(shutil.copy2(file, folder / f"{file.name}.new"))
    return made.replace(folder / file.name)


class CompiledModules(BuildHookInterface):  # type: ignore[misc]
    """Adds the compiled modules to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say why not."""
        if self.target_name != "wheel" or version == "editable" or os.environ.get("PVM_PURE"):
            return
        self.folder = Path(tempfile.mkdtemp(prefix="pvm-build-"))
        try:
            files = compile_modules(self.folder)
        except (Exception, SystemExit) as error:  # a missing compiler exits
            self.app.display_warning(f"pvm stays pure Python: {error}")
            return
        build_data["force_include"].update({str(file): f"pvm/pvm/{file.name}" for file in files})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built."""
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)


if __name__ == "__main__":
    for made in compile_modules(HOME / "pvm"):
        print(made.relative_to(ROOT))
