"""What was spent: every release of the notebook that touches data, in one table."""

from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Entries (structure, data, epsilon, delta, releases)."""

    entries: list[tuple[str, str, float, float, int]] = field(default_factory=list)

    def spend(self, structure: str, data: str, epsilon: float, delta: float = 0.0, releases: int = 1) -> None:
        """Note down a number of releases of one budget each."""
        if epsilon <= 0.0 or not 0.0 <= delta < 1.0 or releases < 1:
            raise ValueError(f"no such budget: epsilon {epsilon}, delta {delta}, {releases} releases")
        self.entries.append((structure, data, epsilon, delta, releases))

    def total(self, data: str) -> tuple[float, float]:
        """What all releases on a data set cost together, by basic composition."""
        chosen = [e for e in self.entries if e[1] == data]
        return sum(e[2] * e[4] for e in chosen), sum(e[3] * e[4] for e in chosen)

    def table(self) -> str:
        """The ledger in Markdown, with the total of each data set."""
        lines = ["| structure | data | ε each | δ each | releases |", "|---|---|---|---|---|"]
        lines += [f"| {s} | {d} | {e:g} | {f:g} | {r} |" for s, d, e, f, r in self.entries]
        for data in dict.fromkeys(e[1] for e in self.entries):
            epsilon, delta = self.total(data)
            lines.append(f"| **all** | {data} | **{epsilon:.4g}** | {delta:.2g} | |")
        return "\n".join(lines)
