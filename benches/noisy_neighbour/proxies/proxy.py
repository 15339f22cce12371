"""What a proxy in a certain configuration is: how it is told to protect tenants, and what it can't."""

from dataclasses import dataclass
from pathlib import Path

from attack import Attack


@dataclass(frozen=True)
class Setup:
    """One start: for which attack, in which folder, on which ports."""

    attack: Attack
    folder: Path
    port: int
    origin_port: int


class Configured:
    """Mixed into a peer of the comparison, which knows the binary and its version."""

    key: str  # on the command line and in the raw figures
    title: str  # in tables
    # Uses the origin fully and refuses nobody: worth asking the harder questions.
    contender = False
    # Knows weights of tenants.
    weighted = False

    def command(self, binary: Path, setup: Setup) -> list[str]:
        """Writes the configuration into `setup.folder` and returns the foreground command."""
        path = setup.folder / self.file
        path.write_text(self.config(setup))
        return self.arguments(binary, path)

    file: str

    def config(self, setup: Setup) -> str:
        raise NotImplementedError

    def arguments(self, binary: Path, path: Path) -> list[str]:
        raise NotImplementedError

    def takes(self, attack: Attack) -> bool:
        if attack.direct_only or (attack.weighted_only and not self.weighted):
            return False
        return self.contender or not attack.contenders_only
