"""Add the specs that ship to the built package; everything else is in setup.cfg."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithSpecs(build_py):
    """Copies experiments/ and ablations/ into the package, from where `tempo init --specs` reads.

    They stay at the top of the repository, where they are found, run and linked.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in ("experiments", "ablations"):
            target = Path(self.build_lib, "tempo", "shipped_specs", name)
            self.mkpath(str(target))
            for spec in sorted((ROOT / name).glob("*.yaml")):
                self.copy_file(str(spec), str(target / spec.name))


setup(cmdclass={"build_py": BuildWithSpecs})
